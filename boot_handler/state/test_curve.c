#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/curve.h"

#define BEGUN INT64_C(1700000000000)

static void add_seconds(struct curve *c, int from, int to, uint64_t rate)
{
	for (int i = from; i < to; i++)
		curve_add(c, BEGUN + (int64_t)i * 1000, (uint64_t)i * rate, 1 << 30);
}

static void test_points_as_they_come(void **state)
{
	struct curve c = {.begun_ms = 0};

	(void)state;
	add_seconds(&c, 0, CURVE_POINTS, 1000);
	assert_int_equal(c.count, CURVE_POINTS);
	assert_int_equal(c.begun_ms, BEGUN);
	assert_int_equal(c.points[7].after_ms, 7000);
	assert_int_equal(c.points[7].bytes, 7000);
}

/* However long: few, evenly spread, from the first to the last. */
static void test_a_day_is_as_small(void **state)
{
	struct curve c = {.begun_ms = 0};

	(void)state;
	for (int last = 1; last < 86400; last += 977) {
		c = (struct curve){.begun_ms = 0};
		add_seconds(&c, 0, last + 1, 1000);
		assert_true(c.count <= CURVE_POINTS);
		assert_true(last < CURVE_POINTS / 3 || c.count >= CURVE_POINTS / 3);
		assert_int_equal(c.points[0].after_ms, 0);
		assert_int_equal(c.points[c.count - 1].after_ms, last * 1000);
		for (size_t i = 1; i < c.count; i++) {
			assert_true(c.points[i].after_ms > c.points[i - 1].after_ms);
			assert_int_equal(c.points[i].bytes, c.points[i].after_ms);
		}
	}
}

static void test_fewer_bytes_begin_anew(void **state)
{
	struct curve c = {.begun_ms = 0};

	(void)state;
	add_seconds(&c, 0, 50, 1000);
	curve_add(&c, BEGUN + 60000, 5, 1 << 20);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.begun_ms, BEGUN + 60000);
	assert_int_equal(c.total_bytes, 1 << 20);
}

static void test_text(void **state)
{
	struct curve c = {.begun_ms = 0};

	(void)state;
	add_seconds(&c, 0, 2, 1000);
	char *text = curve_text(&c);
	assert_string_equal(text,
	    "{\"begun\":\"2023-11-14T22:13:20.000Z\",\"total_bytes\":1073741824,\"points\":[[0,0],[1000,1000]]}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_points_as_they_come),
	    cmocka_unit_test(test_a_day_is_as_small),
	    cmocka_unit_test(test_fewer_bytes_begin_anew),
	    cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
