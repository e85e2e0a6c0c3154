#include "boot_handler/pages/curve_picture.h"

#include <stdbool.h>

#include "boot_handler/pages/page.h"
#include "lib/base/human.h"
#include "lib/base/size.h"

#define WIDE 1000
#define HIGH 100

static int64_t at(const json_t *points, size_t i, size_t what)
{
	return json_integer_value(json_array_get(json_array_get(points, i), what));
}

/* Bytes a second on the way to that point; 0 to the first. */
static int64_t rate(const json_t *points, size_t i)
{
	int64_t ms = i > 0 ? at(points, i, 0) - at(points, i - 1, 0) : 0;

	return ms > 0 ? (at(points, i, 1) - at(points, i - 1, 1)) * 1000 / ms : 0;
}

static int64_t greatest(const json_t *points)
{
	int64_t most = 1;

	for (size_t i = 1; i < json_array_size(points); i++)
		most = rate(points, i) > most ? rate(points, i) : most;
	return most;
}

static void put_step(struct html *h, int64_t x, int64_t y)
{
	html_number(h, x);
	html_put(h, ",");
	html_number(h, y);
	html_put(h, " ");
}

/* A step for each second that was told: the rate is of the time up to its point. */
static void put_steps(struct html *h, const json_t *points, int64_t most)
{
	size_t count = json_array_size(points);
	int64_t whole = at(points, count - 1, 0);

	put_step(h, 0, HIGH);
	for (size_t i = 1; i < count && whole > 0; i++) {
		int64_t y = HIGH - rate(points, i) * HIGH / most;

		put_step(h, at(points, i - 1, 0) * WIDE / whole, y);
		put_step(h, at(points, i, 0) * WIDE / whole, y);
	}
	put_step(h, WIDE, HIGH);
}

static void put_words(struct html *h, const json_t *points, int64_t most)
{
	size_t last = json_array_size(points) - 1;
	int64_t ms = at(points, last, 0), bytes = at(points, last, 1) - at(points, 0, 1);
	char size[SIZE_TEXT_SIZE], took[HUMAN_TEXT_SIZE];

	html_text(h, size_text((uint64_t)at(points, last, 1), size));
	html_put(h, " in ");
	html_text(h, human_duration(ms, took));
	html_put(h, ": ");
	html_text(h, size_text((uint64_t)(ms > 0 ? bytes * 1000 / ms : 0), size));
	html_put(h, "/s, at most ");
	html_text(h, size_text((uint64_t)most, size));
	html_put(h, "/s");
}

static void put_axis(struct html *h, const json_t *points)
{
	char took[HUMAN_TEXT_SIZE];

	html_put(h, "<p class=\"axis\" aria-hidden=\"true\"><span>0 s</span><span>");
	html_text(h, human_duration(at(points, json_array_size(points) - 1, 0), took));
	html_put(h, "</span></p>");
}

void curve_picture_put(struct html *h, const json_t *curve)
{
	const json_t *points = json_object_get(curve, "points");

	if (json_array_size(points) < 2 || at(points, json_array_size(points) - 1, 0) <= 0)
		return;
	int64_t most = greatest(points);
	html_put(
	    h, "<figure class=\"curve\"><figcaption><b>Rate</b> at which its image was written, ");
	html_moment(h, page_time(curve, "begun"));
	html_put(h, " UTC: ");
	put_words(h, points, most);
	html_put(h, "</figcaption><svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" "
		    "aria-hidden=\"true\" focusable=\"false\"><polygon points=\"");
	put_steps(h, points, most);
	html_put(h, "\"/></svg>");
	put_axis(h, points);
	html_put(h, "</figure>");
}
