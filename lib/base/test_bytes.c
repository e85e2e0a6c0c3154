/* Bytes as text and back, and zeros told from what is nearly so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/bytes.h"

static void hex(void **state)
{
	static const uint8_t raw[] = {0x00, 0x9f, 0xab, 0xff};
	static const char *const bad[] = {"", "009fab", "009fabf", "009fabff0", "g09fabff",
	    "0g9fabff", "009fabf ", " 009fabf", "0x009fab"};
	uint8_t back[4];
	char text[9];

	(void)state;
	assert_string_equal(hex_encode(raw, sizeof(raw), text), "009fabff");
	assert_true(hex_decode("009FabFF", back, sizeof(back)));
	assert_memory_equal(raw, back, sizeof(raw));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (hex_decode(bad[i], back, sizeof(back)))
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(hex_byte("7Fz"), 0x7f);
	assert_int_equal(hex_byte(""), -1);
	assert_int_equal(hex_byte("7"), -1);
}

static void uuids(void **state)
{
	uint8_t raw[16];
	char text[UUID_TEXT_SIZE];

	(void)state;
	for (unsigned i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(0xf0 + i);
	assert_string_equal(uuid_format(raw, text), "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
	uuid_mark(raw, 4);
	assert_string_equal(uuid_format(raw, text), "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff");
}

static void zeros(void **state)
{
	uint8_t block[513] = {0};

	(void)state;
	assert_true(bytes_are_zero(block, sizeof(block)));
	assert_true(bytes_are_zero(block, 1));
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = 1;
		assert_false(bytes_are_zero(block, sizeof(block)));
		assert_int_equal(bytes_are_zero(block, i + 1), 0);
		if (i > 0)
			assert_true(bytes_are_zero(block, i));
		block[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hex),
	    cmocka_unit_test(uuids),
	    cmocka_unit_test(zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
