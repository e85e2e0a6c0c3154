/* test_progress.c - rate and time left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/report/progress.h"

#define MIB (1ULL << 20)

static void test_progress(void **state)
{
	struct progress p;
	char text[120];

	(void)state;
	progress_init(&p, 100 * MIB, 0);
	assert_int_equal(progress_rate(&p), 0);
	assert_int_equal(progress_eta_s(&p), 0);
	for (int s = 1; s <= 40; s++)
		for (int n = 0; n < 5; n++)
			progress_add(&p, (uint64_t)(s * 5 + n) * MIB / 5, s * 1000 + n * 200);
	assert_true(progress_rate(&p) > MIB * 9 / 10 && progress_rate(&p) < MIB * 11 / 10);
	assert_true(progress_eta_s(&p) >= 55 && progress_eta_s(&p) <= 65);
	progress_text(&p, "rootfs", text, sizeof(text));
	assert_non_null(strstr(text, "rootfs  40%  40.8 MiB of 100.0 MiB, "));
	progress_add(&p, 100 * MIB, 60000);
	assert_int_equal(progress_eta_s(&p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
