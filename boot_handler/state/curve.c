#include "boot_handler/state/curve.h"

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/clock.h"

/* The last stays the last. */
static void thin(struct curve *c)
{
	size_t kept = 0;

	for (size_t i = c->count % 2 ? 0 : 1; i < c->count; i += 2)
		c->points[kept++] = c->points[i];
	c->points[0].after_ms = 0;
	c->count = kept;
	c->every_ms = c->every_ms ? c->every_ms * 2 : 1000;
}

/* A point that is too near to the one before its last takes the last one's place. */
static bool is_near(const struct curve *c, uint32_t after_ms)
{
	return c->count > 1 && after_ms - c->points[c->count - 2].after_ms < c->every_ms;
}

void curve_add(struct curve *c, int64_t at_ms, uint64_t bytes, uint64_t total_bytes)
{
	if (c->count > 0 && (bytes < c->points[c->count - 1].bytes || at_ms < c->begun_ms))
		*c = (struct curve){.begun_ms = 0};
	if (c->count == 0)
		c->begun_ms = at_ms;
	c->total_bytes = total_bytes;
	struct curve_point p = {(uint32_t)(at_ms - c->begun_ms), bytes};
	if (is_near(c, p.after_ms))
		c->count--;
	else if (c->count == CURVE_POINTS)
		thin(c);
	c->points[c->count++] = p;
}

char *curve_text(const struct curve *c)
{
	json_t *points = json_array();
	char when[TIME_TEXT_SIZE];

	for (size_t i = 0; i < c->count; i++)
		json_array_append_new(points, json_pack("[I, I]", (json_int_t)c->points[i].after_ms,
						  (json_int_t)c->points[i].bytes));
	json_t *json = json_pack("{s:s, s:I, s:o}", "begun", time_format(c->begun_ms, when),
	    "total_bytes", (json_int_t)c->total_bytes, "points", points);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}
