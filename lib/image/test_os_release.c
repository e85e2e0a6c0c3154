/* os-release(5) as distributions write it, and which of two kernels is the newer one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/image/kernel_version.h"
#include "lib/image/os_release.h"

static void values(void **state)
{
	static const char text[] = "NAME=x\nID=\"lab-os\"\n#ID=no\nPRETTY_NAME='Lab OS 1'\n"
				   "ID_LIKE=\"suse debian\"\nEMPTY=\nODD=\"\nLAST=end";
	static const struct {
		const char *key, *value;
	} cases[] = {{"NAME", "x"}, {"ID", "lab-os"}, {"PRETTY_NAME", "Lab OS 1"},
	    {"ID_LIKE", "suse debian"}, {"EMPTY", ""}, {"ODD", "\""}, {"LAST", "end"}};
	char out[40];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(os_release_get(text, cases[i].key, out, sizeof(out)));
		assert_string_equal(out, cases[i].value);
	}
	assert_false(os_release_get(text, "LIKE", out, sizeof(out)));
	assert_false(os_release_get("", "ID", out, sizeof(out)));
	assert_string_equal(out, "end");
	assert_true(os_release_get("ID=a\nID=b\n", "ID", out, sizeof(out)));
	assert_string_equal(out, "b");
	assert_true(os_release_get(text, "ID_LIKE", out, 5));
	assert_string_equal(out, "suse");
}

static void versions(void **state)
{
	static const struct {
		const char *older, *newer;
	} pairs[] = {
	    {"6.1.9-amd64", "6.1.10-amd64"},
	    {"6.1.0-9-amd64", "6.1.0-26-amd64"},
	    {"6.12.41+deb13-amd64", "6.12.117+deb13-amd64"},
	    {"6.12~rc1", "6.12"},
	    {"6.12", "6.12.1"},
	    {"5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64"},
	    {"6.8.0-40-generic", "6.11.0-9-generic"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		assert_true(kernel_version_compare(pairs[i].older, pairs[i].newer) < 0);
		assert_true(kernel_version_compare(pairs[i].newer, pairs[i].older) > 0);
		assert_int_equal(kernel_version_compare(pairs[i].newer, pairs[i].newer), 0);
	}
	assert_int_equal(kernel_version_compare("6.01", "6.1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values),
	    cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
