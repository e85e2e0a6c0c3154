/* Sizes as people write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "lib/base/size.h"

static void reading(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0}, {"512", 512}, {"1K", 1024}, {"1k", 1024}, {"1KB", 1024},
	    {"1KiB", 1024}, {"10G", 10 * (UINT64_C(1) << 30)}, {"1T", 1024 * (UINT64_C(1) << 30)},
	    {"16777215T", UINT64_C(16777215) << 40},
	    {"9999999999999999999", UINT64_C(9999999999999999999)}};
	static const char *const bad[] = {"", "G", "1.5G", "-1", "+1", " 1G", "1G ", "1 G", "1X",
	    "1GG", "1GiBB", "1iB", "1B", "16777216T", "99999999999999999999", "1G\n"};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(size_parse(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(size_parse(bad[i], &bytes), -EINVAL);
}

static void telling(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *exact, *text;
	} sizes[] = {{0, "0 bytes", "0 B"}, {1023, "1023 bytes", "1023 B"},
	    {1024, "1.0 KiB", "1 KiB"}, {1536, "1.5 KiB", "1.5 KiB"},
	    {148 << 20, "148.0 MiB", "148 MiB"}, {UINT64_C(1) << 30, "1.0 GiB", "1 GiB"},
	    {UINT64_C(19) << 29, "9.5 GiB", "9.5 GiB"}, {UINT64_C(41) << 29, "20.5 GiB", "20 GiB"},
	    {UINT64_C(5) << 40, "5.0 TiB", "5 TiB"}, {UINT64_MAX, "16.0 EiB", "16 EiB"}};
	char buf[SIZE_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_string_equal(size_text(sizes[i].bytes, buf), sizes[i].exact);
		assert_string_equal(size_text_short(sizes[i].bytes, buf), sizes[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading),
	    cmocka_unit_test(telling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
