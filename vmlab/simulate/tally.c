#include "vmlab/simulate/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

bool tally_open(struct tally *t, const char *const *names, size_t count)
{
	*t = (struct tally){.names = names, .count = count};
	t->steps = calloc(count, sizeof(*t->steps));
	return t->steps != NULL;
}

void tally_close(struct tally *t)
{
	free(t->steps);
	t->steps = NULL;
}

void tally_fail(struct tally *t, const char *reason)
{
	char text[TALLY_REASON_SIZE];
	unsigned i = 0;

	text_copy_clean(reason, text, sizeof(text));
	t->failed++;
	while (i < t->reasons && strcmp(t->reason[i].text, text) != 0)
		i++;
	if (i == TALLY_REASONS_MAX) /* the last one is all others */
		snprintf(t->reason[--i].text, sizeof(text), "other reasons");
	else if (i == t->reasons)
		memcpy(t->reason[t->reasons++].text, text, sizeof(text));
	t->reason[i].machines++;
}

static double ms(int64_t us)
{
	return (double)us / 1000;
}

json_t *tally_steps_json(const struct tally *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->count; i++) {
		const struct tally_step *s = &t->steps[i];
		const struct histogram *h = &s->took;
		if (!t->names[i] || (h->count == 0 && s->again == 0))
			continue;
		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "name", t->names[i],
			"count", (json_int_t)h->count, "again", (json_int_t)s->again, "p50_ms",
			ms(histogram_at(h, 0.5)), "p90_ms", ms(histogram_at(h, 0.9)), "p99_ms",
			ms(histogram_at(h, 0.99)), "max_ms", ms(h->max_us), "own_p99_ms",
			ms(histogram_at(&s->own, 0.99))));
	}
	return list;
}

json_t *tally_failures_json(const struct tally *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < t->reasons; i++)
		json_array_append_new(list, json_pack("{s:s, s:i}", "reason", t->reason[i].text,
						"machines", (int)t->reason[i].machines));
	return list;
}
