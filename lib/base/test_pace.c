/* A few times at once, then slowly, for as long as it goes on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/pace.h"

static const struct pace_rule rule = {
    .free = 4, .every_ms = 500, .first_ms = 1000, .most_ms = 16000};

static void slows_down(void **state)
{
	static const int64_t wanted[] = {
	    0, 500, 500, 500, 1000, 2000, 4000, 8000, 16000, 16000, 16000};
	struct pace p = {0};
	int64_t now = 1000000;
	unsigned words = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(pace_wait_ms(&p, &rule, now), wanted[i]);
		now += wanted[i];
		assert_int_equal(pace_wait_ms(&p, &rule, now), 0);
		words += pace_take(&p, &rule, now);
		assert_int_equal(words, i >= 3);
	}
}

/* Whoever tries each second all day gets on at the slowest, and is told of once. */
static void bounded(void **state)
{
	struct pace p = {0};
	unsigned taken = 0, words = 0;

	(void)state;
	for (int64_t now = 0; now < 86400000; now += 1000)
		if (pace_wait_ms(&p, &rule, now) == 0) {
			taken++;
			words += pace_take(&p, &rule, now);
		}
	assert_in_range(taken, 86400 / 16, 86400 / 16 + 8);
	assert_int_equal(words, 1);
}

static void forgets(void **state)
{
	struct pace p = {0};
	int64_t now = 5;

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)pace_take(&p, &rule, now);
	assert_int_equal(pace_wait_ms(&p, &rule, now + 15999), 1);
	assert_int_equal(pace_wait_ms(&p, &rule, now + 32000), 0);
	assert_int_equal(pace_wait_ms(&p, &rule, now - 1), 0); /* the clock was set back */
	assert_false(pace_is_quiet(&p, &rule, now + 31999));
	assert_true(pace_is_quiet(&p, &rule, now + 32000));
	assert_false(pace_take(&p, &rule, now + 32000));
	assert_int_equal(pace_wait_ms(&p, &rule, now + 32000), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slows_down),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
