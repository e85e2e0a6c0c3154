/* test_method.c - which method takes an image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os_installer/method/method.h"

static void test_find(void **state)
{
	static const struct {
		const char *format, *method;
	} table[] = {
	    {"tar.zst", "archive"},
	    {"tar.gz", "archive"},
	    {"tar.xz", "archive"},
	    {"tar", "archive"},
	    {"raw.zst", "disk image"},
	    {"raw.gz", "disk image"},
	    {"raw.xz", "disk image"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct image_contents m = {0};
		m.format = table[i].format;
		assert_string_equal(method_find(&m)->name, table[i].method);
	}
}

/* What has begun nothing leaves nothing. */
static void test_clear(void **state)
{
	static const char *const formats[] = {"tar", "raw.zst"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct image_contents m = {0};
		struct job j = {.tree = -1};
		m.format = formats[i];
		method_find(&m)->clear(&j);
		assert_null(j.own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
