/* Percentiles of what took how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmlab/simulate/histogram.h"

static void test_percentiles_are_the_ones_of_sorted_values(void **state)
{
	static struct histogram h;

	(void)state;
	assert_int_equal(histogram_at(&h, 0.5), 0);
	for (int64_t us = 1; us <= 1000000; us++)
		histogram_add(&h, us * 7919 % 1000003);
	const double shares[] = {0.001, 0.5, 0.9, 0.99, 0.999};
	for (unsigned i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		int64_t exact = (int64_t)(shares[i] * 1000003);
		int64_t found = histogram_at(&h, shares[i]);
		assert_in_range(found, exact - exact / 100 - 2, exact + exact / 32 + 2);
	}
	assert_int_equal(histogram_at(&h, 1), h.max_us);
}

static void test_a_value_is_never_told_less_than_it_is(void **state)
{
	(void)state;
	for (int64_t us = 0; us < (int64_t)1 << 40; us = us * 3 / 2 + 1) {
		struct histogram h = {0};
		histogram_add(&h, us);
		histogram_add(&h, us * 2 + 100);
		assert_in_range(histogram_at(&h, 0.5), us, us + us / 32 + 1);
		assert_int_equal(histogram_at(&h, 1), us * 2 + 100);
		assert_int_equal(h.min_us, us);
	}
}

static void test_what_is_out_of_range_is_kept(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_add(&h, -5);
	histogram_add(&h, INT64_MAX);
	assert_int_equal(h.min_us, 0);
	assert_true(histogram_at(&h, 1) > (int64_t)1 << 40);
	assert_int_equal(h.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_percentiles_are_the_ones_of_sorted_values),
	    cmocka_unit_test(test_a_value_is_never_told_less_than_it_is),
	    cmocka_unit_test(test_what_is_out_of_range_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
