/* test_smbios.c - SMBIOS tables, whole and broken: each is in memory of exactly its length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/inventory/memory.h"
#include "os_installer/inventory/smbios.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static struct smbios_table table(const uint8_t *bytes, size_t len)
{
	struct smbios_table t = {malloc(len ? len : 1), len};

	assert_non_null(t.bytes);
	memcpy(t.bytes, bytes, len);
	return t;
}

static void test_structures(void **state)
{
	_cleanup_smbios_ struct smbios_table t = table(BYTES("\x01\x06\x00\x00\x02\x01"
							     " Maker \0Product\0\0"
							     "\x02\x05\x01\x00\x09\0\0"
							     "\x7f\x04\x02\x00\0\0"));
	struct smbios_entry s;
	char text[16], cut[4];
	size_t at = 0;

	(void)state;
	assert_true(smbios_next(&t, &at, &s));
	assert_int_equal(s.type, 1);
	assert_string_equal(smbios_text(&s, 4, text, sizeof(text)), "Product");
	assert_string_equal(smbios_text(&s, 5, text, sizeof(text)), "Maker");
	assert_string_equal(smbios_text(&s, 4, cut, sizeof(cut)), "Pro");
	assert_string_equal(smbios_text(&s, 6, text, sizeof(text)), "");
	assert_int_equal(smbios_number(&s, 4, 2), 0x0102);
	assert_int_equal(smbios_number(&s, 5, 2), 0);
	assert_true(smbios_next(&t, &at, &s));
	assert_string_equal(smbios_text(&s, 4, text, sizeof(text)), "");
	assert_false(smbios_next(&t, &at, &s));
}

/* Each ends the walk or is a structure with nothing to say; none is read past its end. */
static void test_broken(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		unsigned structures;
	} rows[] = {
	    {BYTES(""), 0},
	    {BYTES("\x11"), 0},
	    {BYTES("\x11\x03\x00\x00\0\0"), 0},
	    {BYTES("\x11\x40\x00\x00\0\0"), 0},
	    {BYTES("\x11\x05\x00\x00\x01"), 1},
	    {BYTES("\x11\x05\x00\x00\x01no end"), 1},
	    {BYTES("\x11\x05\x00\x00\x01one\0"), 1},
	    {BYTES("\x11\x05\x00\x00\xff\0"), 1},
	    {BYTES("\x11\x05\x00\x00\xff\0\0\0\0\0\0"), 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_smbios_ struct smbios_table t = table(rows[i].bytes, rows[i].len);
		struct smbios_entry s;
		char text[8];
		size_t at = 0;
		unsigned count = 0;
		while (smbios_next(&t, &at, &s)) {
			count++;
			smbios_text(&s, 4, text, sizeof(text));
			assert_true(strlen(text) < sizeof(text));
		}
		assert_int_equal(count, rows[i].structures);
		assert_true(at <= t.len);
	}
}

/* A memory device of 0x5c bytes with these fields. */
static void device(uint8_t *d, unsigned size, unsigned extended, unsigned speed)
{
	memset(d, 0, 0x5c);
	d[0] = SMBIOS_MEMORY_DEVICE;
	d[1] = 0x5c;
	d[0x0c] = (uint8_t)size;
	d[0x0d] = (uint8_t)(size >> 8);
	d[0x10] = 1;
	d[0x12] = 0x1a;
	d[0x20] = (uint8_t)speed;
	d[0x21] = (uint8_t)(speed >> 8);
	for (int i = 0; i < 4; i++)
		d[0x1c + i] = (uint8_t)(extended >> (8 * i));
	d[0x58] = 0x40; /* 8000 MT/s */
	d[0x59] = 0x1f;
}

static void test_memory(void **state)
{
	static const struct {
		unsigned size, extended, speed;
		json_int_t size_bytes; /* 0: no module; -1: not known */
		json_int_t speed_mts;  /* 0: not known */
	} rows[] = {
	    {0x0400, 0, 3200, 1LL << 30, 3200},
	    {0x8200, 0, 0, 512 << 10, 0},
	    {0x7fff, 0x10000, 0xffff, 64LL << 30, 8000},
	    {0xffff, 0, 2400, -1, 2400},
	    {0, 0, 2400, 0, 0},
	    {0x7fff, 0xffffffff, 1, (json_int_t)0x7fffffff << 20, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t bytes[0x5c + sizeof("DIMM\x1b 0\0")];
		device(bytes, rows[i].size, rows[i].extended, rows[i].speed);
		memcpy(bytes + 0x5c, "DIMM\x1b 0\0", sizeof("DIMM\x1b 0\0"));
		_cleanup_smbios_ struct smbios_table t = table(bytes, sizeof(bytes));
		uint64_t total;
		json_t *modules = memory_modules(&t, &total);
		const json_t *m = json_array_get(modules, 0);
		assert_int_equal(json_array_size(modules), rows[i].size_bytes != 0);
		if (m) {
			const json_t *size = json_object_get(m, "size_bytes");
			const json_t *speed = json_object_get(m, "speed_mts");
			assert_string_equal(
			    json_string_value(json_object_get(m, "locator")), "DIMM? 0");
			assert_string_equal(json_string_value(json_object_get(m, "type")), "DDR4");
			assert_true(json_is_null(json_object_get(m, "part")));
			assert_true(rows[i].size_bytes < 0
					? json_is_null(size)
					: json_integer_value(size) == rows[i].size_bytes);
			assert_true(rows[i].speed_mts
					? json_integer_value(speed) == rows[i].speed_mts
					: json_is_null(speed));
			assert_int_equal(total, rows[i].size_bytes < 0 ? 0 : rows[i].size_bytes);
		}
		json_decref(modules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_structures),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
