/* The two clocks run, sleeping takes its time, and times read back as they were written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static void clocks(void **state)
{
	int64_t begin = monotonic_ms(), wall = wall_ms();
	struct timespec soon = monotonic_after(1999);

	(void)state;
	sleep_ms(-5);
	sleep_ms(20);
	assert_true(monotonic_ms() - begin >= 20);
	assert_true(wall_ms() - wall >= 10);
	assert_true(wall / 1000 >= time(NULL) - 10);
	assert_true(thread_cpu_ms() >= 0);
	int64_t soon_ms = (int64_t)soon.tv_sec * 1000 + soon.tv_nsec / 1000000;
	assert_in_range(soon_ms - begin, 1999, 2500);
	assert_in_range(soon.tv_nsec, 0, 999999999);
}

static void texts(void **state)
{
	char text[TIME_TEXT_SIZE];

	(void)state;
	assert_string_equal(time_format(86401250, text), "1970-01-02T00:00:01.250Z");
	assert_int_equal(time_parse(text), 86401250);
	assert_int_equal(time_parse("1970-01-01T00:00:01Z"), 1000);
	assert_int_equal(time_parse("1970-01-01T00:00:01.123456789Z"), 1123);
	assert_int_equal(time_parse("1970-01-01T00:00:01+02:00"), -1);
	assert_int_equal(time_parse("yesterday"), -1);
	assert_int_equal(time_parse(NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clocks),
	    cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
