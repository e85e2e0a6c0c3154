/* Timelines: attempts out of events, and what earlier ones took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/pages/timeline.h"
#include "lib/base/clock.h"

#define SECOND 1000
#define BEGIN 1738324800000

static void add(
    json_t *events, int64_t second, const char *kind, const char *text, const char *phase)
{
	char at[TIME_TEXT_SIZE];

	json_array_append_new(events,
	    json_pack("{s:s, s:s, s:s, s:s?}", "at", time_format(BEGIN + second * SECOND, at),
		"kind", kind, "text", text, "phase", phase));
}

/* An install from `second` on, of which the rootfs takes so long; false `ends`: it goes on there.
 */
static void install(json_t *events, int64_t second, int64_t rootfs, bool ends)
{
	add(events, second, "ipxe", "install", NULL);
	add(events, second + 4, "phase", "", "partition");
	add(events, second + 6, "phase", "", "rootfs");
	if (!ends)
		return;
	add(events, second + 6 + rootfs, "state", "installed", NULL);
	add(events, second + 10 + rootfs, "ipxe", "local", NULL);
	add(events, second + 30 + rootfs, "state", "ready", NULL);
}

static const char *name(const struct timeline *t, size_t attempt, size_t stage)
{
	return t->attempt[attempt].items[stage].name;
}

static void test_none(void **state)
{
	struct timeline *t = malloc(sizeof(*t));
	json_t *events = json_array();

	(void)state;
	timeline_make(events, BEGIN, t);
	assert_int_equal(t->count, 0);
	timeline_make(NULL, BEGIN, t);
	assert_int_equal(t->count, 0);
	json_decref(events);
	free(t);
}

static void test_attempts_and_medians(void **state)
{
	struct timeline *t = malloc(sizeof(*t));
	json_t *events = json_array();
	size_t last = 3, stage = 0;

	(void)state;
	install(events, 0, 10, true);
	install(events, 1000, 40, true);
	install(events, 2000, 20, true);
	install(events, 3000, 0, false);
	timeline_make(events, BEGIN + 3011 * SECOND, t);
	assert_int_equal(t->count, 4);
	for (size_t i = 0; i < 3; i++)
		assert_true(t->attempt[i].end_ms > 0);
	assert_int_equal(t->attempt[last].end_ms, 0);
	while (strcmp(name(t, last, stage), "rootfs") != 0)
		stage++;
	assert_int_equal(timeline_spent_ms(t, &t->attempt[last], stage), 5 * SECOND);
	assert_int_equal(t->median_ms[stage], 20 * SECOND);
	assert_string_equal(name(t, last, stage - 1), "partition");
	assert_int_equal(timeline_spent_ms(t, &t->attempt[last], stage - 1), 2 * SECOND);
	assert_int_equal(t->median_ms[stage - 1], 2 * SECOND);
	json_decref(events);
	free(t);
}

/* Of two the one in between; of none, that there is none. */
static void test_medians_of_few(void **state)
{
	struct timeline *t = malloc(sizeof(*t));
	json_t *events = json_array();
	size_t stage = 0;

	(void)state;
	install(events, 0, 10, true);
	timeline_make(events, BEGIN + 100 * SECOND, t);
	for (size_t i = 0; i < t->attempt[0].count; i++)
		assert_int_equal(t->median_ms[i], -1);
	install(events, 1000, 20, true);
	install(events, 2000, 99, true);
	timeline_make(events, BEGIN + 5000 * SECOND, t);
	while (strcmp(name(t, 2, stage), "rootfs") != 0)
		stage++;
	assert_int_equal(t->median_ms[stage], 15 * SECOND);
	json_decref(events);
	free(t);
}

static void test_the_oldest_go(void **state)
{
	struct timeline *t = malloc(sizeof(*t));
	json_t *events = json_array();

	(void)state;
	for (int i = 0; i < TIMELINE_ATTEMPTS + 5; i++)
		install(events, 1000 * i, 10, true);
	timeline_make(events, BEGIN + 1000000 * SECOND, t);
	assert_int_equal(t->count, TIMELINE_ATTEMPTS);
	assert_int_equal(t->attempt[0].items[0].start_ms, BEGIN + 5000 * SECOND);
	struct html h = HTML_INIT;
	timeline_put(&h, t);
	char *text = html_steal(&h);
	assert_non_null(strstr(text, "<details"));
	free(text);
	json_decref(events);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_attempts_and_medians),
	    cmocka_unit_test(test_medians_of_few),
	    cmocka_unit_test(test_the_oldest_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
