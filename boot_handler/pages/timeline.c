#include "boot_handler/pages/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/human.h"

static void keep(struct timeline *t, const struct stages *s)
{
	if (t->count == TIMELINE_ATTEMPTS)
		memmove(&t->attempt[0], &t->attempt[1], --t->count * sizeof(*s));
	t->attempt[t->count++] = *s;
}

int64_t timeline_spent_ms(const struct timeline *t, const struct stages *s, size_t stage)
{
	int64_t end = stage + 1 < s->count ? s->items[stage + 1].start_ms
		      : s->end_ms          ? s->end_ms
					   : t->now_ms;

	return end > s->items[stage].start_ms ? end - s->items[stage].start_ms : 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median_before(const struct timeline *t, const char *name)
{
	int64_t spent[TIMELINE_ATTEMPTS];
	size_t n = 0;

	for (size_t i = 0; i + 1 < t->count; i++) {
		int64_t ms = stages_spent_ms(&t->attempt[i], name);
		if (ms >= 0)
			spent[n++] = ms;
	}
	qsort(spent, n, sizeof(*spent), compare);
	if (n == 0)
		return -1;
	return n % 2 ? spent[n / 2] : (spent[n / 2 - 1] + spent[n / 2]) / 2;
}

void timeline_make(const json_t *events, int64_t now_ms, struct timeline *out)
{
	struct stages_history history = {.on_ms = -1};
	const json_t *event;
	int64_t end_ms = 0;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->now_ms = now_ms;
	json_array_foreach(events, i, event) {
		stages_history_event(&history, event);
		if (history.finished.end_ms != end_ms) {
			end_ms = history.finished.end_ms;
			keep(out, &history.finished);
		}
	}
	if (history.now.count > 0)
		keep(out, &history.now);
	for (i = 0; out->count > 0 && i < out->attempt[out->count - 1].count; i++)
		out->median_ms[i] = median_before(out, out->attempt[out->count - 1].items[i].name);
}

/* ---- shown ------------------------------------------------------------------------------- */

/* In thousandths of all. */
static int64_t share(int64_t part, int64_t whole)
{
	return whole > 0 ? part * 1000 / whole : 0;
}

/* What the stage took, where in the attempt, and thin below it what it took before. */
static void put_bar(struct html *h, int64_t from, int64_t took, int64_t median, int64_t whole)
{
	html_put(h,
	    "<svg class=\"bar\" viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" "
	    "aria-hidden=\"true\" focusable=\"false\"><rect class=\"took\" y=\"0\" height=\"13\" x=\"");
	html_number(h, share(from, whole));
	html_put(h, "\" width=\"");
	html_number(h, share(took, whole) > 2 ? share(took, whole) : 2);
	html_put(h, "\"/>");
	if (median >= 0) {
		html_put(h, "<rect class=\"before\" y=\"15\" height=\"5\" x=\"");
		html_number(h, share(from, whole));
		html_put(h, "\" width=\"");
		html_number(h, share(median, whole) > 2 ? share(median, whole) : 2);
		html_put(h, "\"/>");
	}
	html_put(h, "</svg>");
}

static void put_duration(struct html *h, int64_t ms)
{
	char text[HUMAN_TEXT_SIZE];

	if (ms >= 0)
		html_text(h, human_duration(ms, text));
}

/* A column of medians says nothing while there is nothing before. */
static bool has_medians(const struct timeline *t, const struct stages *s)
{
	return t->count > 1 && s == &t->attempt[t->count - 1];
}

static void put_stage(
    struct html *h, const struct timeline *t, const struct stages *s, size_t i, int64_t whole)
{
	bool medians = has_medians(t, s), goes = i + 1 == s->count && !s->end_ms;
	int64_t from = s->items[i].start_ms - s->items[0].start_ms;
	int64_t took = timeline_spent_ms(t, s, i), median = medians ? t->median_ms[i] : -1;

	html_put(h, "<tr><th scope=\"row\">");
	html_text(h, s->items[i].name);
	html_put(h, "</th><td class=\"num mid\">");
	put_duration(h, from);
	html_put(h, "</td><td class=\"num\"");
	if (goes)
		html_put(h, " data-goes");
	html_put(h, ">");
	put_duration(h, took);
	if (goes)
		html_put(h, " so far");
	html_put(h, "</td>");
	if (medians) {
		html_put(h, "<td class=\"num mid\">");
		put_duration(h, median);
		html_put(h, "</td>");
	}
	html_put(h, "<td class=\"bars\">");
	put_bar(h, from, took, median, whole);
	html_put(h, "</td></tr>");
}

static int64_t whole_of(const struct timeline *t, const struct stages *s)
{
	return (s->end_ms ? s->end_ms : t->now_ms) - s->items[0].start_ms;
}

static void put_attempt(struct html *h, const struct timeline *t, const struct stages *s)
{
	int64_t whole = whole_of(t, s);
	bool medians = has_medians(t, s);

	html_put(h,
	    "<div class=\"scroll\" role=\"region\" aria-label=\"Stages\" tabindex=\"0\">"
	    "<table class=\"timeline\"><thead><tr><th scope=\"col\">Stage</th>"
	    "<th scope=\"col\" class=\"num mid\">After</th><th scope=\"col\" class=\"num\">Took</th>");
	if (medians)
		html_put(h, "<th scope=\"col\" class=\"num mid\">Median before</th>");
	html_put(h, "<th scope=\"col\" class=\"bars\">When</th></tr></thead><tbody>");
	for (size_t i = 0; i < s->count; i++)
		put_stage(h, t, s, i, whole);
	html_put(h,
	    "</tbody><tfoot><tr><th scope=\"row\">total</th><td class=\"mid\"></td><td class=\"num\">");
	put_duration(h, whole);
	html_put(h, "</td>");
	if (medians)
		html_put(h, "<td class=\"mid\"></td>");
	html_put(h, "<td></td></tr></tfoot></table></div>");
}

static void put_title(struct html *h, const struct timeline *t, const struct stages *s)
{
	html_moment(h, s->items[0].start_ms);
	if (s->end_ms)
		html_put(h, " UTC, took ");
	else
		html_put(h, " UTC, goes on for ");
	put_duration(h, whole_of(t, s));
}

static void put_key(struct html *h, const struct timeline *t)
{
	if (!has_medians(t, &t->attempt[t->count - 1]))
		return;
	html_put(h, "<p class=\"key dim\"><span class=\"took\"></span>this boot "
		    "<span class=\"before\"></span>median of ");
	html_number(h, (int64_t)t->count - 1);
	html_put(h, " before it</p>");
}

void timeline_put(struct html *h, const struct timeline *t)
{
	if (t->count == 0) {
		html_put(h, "<p class=\"notice\">It has not been seen to boot yet.</p>");
		return;
	}
	html_put(h, "<p>The last boot: ");
	put_title(h, t, &t->attempt[t->count - 1]);
	html_put(h, "</p>");
	put_key(h, t);
	put_attempt(h, t, &t->attempt[t->count - 1]);
	for (size_t i = t->count - 1; i-- > 0;) {
		html_put(h, "<details class=\"attempt\"><summary>");
		put_title(h, t, &t->attempt[i]);
		html_put(h, "</summary>");
		put_attempt(h, t, &t->attempt[i]);
		html_put(h, "</details>");
	}
}
