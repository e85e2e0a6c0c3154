#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "boot_handler/webhook/retry.h"

static void what_follows(void **state)
{
	static const struct {
		unsigned status;
		enum retry what;
	} cases[] = {
	    {200, RETRY_TAKEN},
	    {202, RETRY_TAKEN},
	    {204, RETRY_TAKEN},
	    {299, RETRY_TAKEN},
	    {410, RETRY_NEVER},
	    {0, RETRY_LATER},
	    {100, RETRY_LATER},
	    {301, RETRY_LATER},
	    {400, RETRY_LATER},
	    {404, RETRY_LATER},
	    {429, RETRY_LATER},
	    {500, RETRY_LATER},
	    {503, RETRY_LATER},
	};
	int64_t wait_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (retry_judge(cases[i].status, 0, 0, 5, &wait_ms) != cases[i].what)
			fail_msg("%u", cases[i].status);
		assert_int_equal(wait_ms > 0, cases[i].what == RETRY_LATER);
	}
	/* What it says of when makes no difference to these. */
	assert_int_equal(retry_judge(410, 0, 9, 5, &wait_ms), RETRY_NEVER);
}

/* Twice as long each time up to the most, and never less than half of it. */
static void pauses(void **state)
{
	int64_t longest = RETRY_FIRST_MS, least, most;

	(void)state;
	for (unsigned tries = 0; tries < 100; tries++) {
		retry_judge(500, tries, 0, 0, &least);
		retry_judge(500, tries, 0, (uint32_t)(longest / 2), &most);
		assert_int_equal(least, longest / 2);
		assert_int_equal(most, longest);
		for (uint32_t random = 1; random < 2000000000; random += 99999989) {
			int64_t wait_ms;
			retry_judge(0, tries, 0, random, &wait_ms);
			assert_true(wait_ms >= least && wait_ms <= most);
		}
		longest = 2 * longest < RETRY_MOST_MS ? 2 * longest : RETRY_MOST_MS;
	}
	retry_judge(500, UINT32_MAX, 0, 0, &least);
	assert_int_equal(least, RETRY_MOST_MS / 2);
	/* What will not get better by itself. */
	retry_judge(404, 0, 0, 0, &least);
	assert_int_equal(least, RETRY_MOST_MS / 2);
	retry_judge(408, 0, 0, 0, &least);
	assert_int_equal(least, RETRY_FIRST_MS / 2);
}

static void what_the_receiver_says_of_when(void **state)
{
	int64_t wait_ms;

	(void)state;
	retry_judge(503, 9, 7, 12345, &wait_ms);
	assert_int_equal(wait_ms, 7000);
	retry_judge(404, 0, 7, 12345, &wait_ms);
	assert_int_equal(wait_ms, 7000);
	retry_judge(429, 0, INT64_MAX, 12345, &wait_ms);
	assert_int_equal(wait_ms, 1000 * RETRY_AFTER_MOST_S);
	retry_judge(429, 0, -5, 0, &wait_ms);
	assert_int_equal(wait_ms, RETRY_FIRST_MS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_follows),
	    cmocka_unit_test(pauses),
	    cmocka_unit_test(what_the_receiver_says_of_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
