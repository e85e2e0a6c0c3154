/* test_cmdline.c - one value of the kernel's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/base/cmdline.h"

static void test_cmdline(void **state)
{
	static const char text[] = "initrd=magic quiet config_url=http://a/1 \"x=with space\" "
				   "config_url=http://a/2 xconfig_url=no empty=\n";
	char out[64];

	(void)state;
	assert_true(cmdline_get(text, "config_url", out, sizeof(out)));
	assert_string_equal(out, "http://a/2");
	assert_true(cmdline_get(text, "x", out, sizeof(out)));
	assert_string_equal(out, "with space");
	assert_true(cmdline_get(text, "empty", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(cmdline_get(text, "quiet", out, sizeof(out)));
	assert_false(cmdline_get(text, "config_url", out, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cmdline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
