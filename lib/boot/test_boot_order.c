/* BOOT_ORDER of a Raspberry Pi: its digits, and the configuration that says it, read and edited,
 * whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/boot/boot_order.h"

#define ORDERS 100000
#define DAMAGES 20000

static void the_network_is_moved(void **state)
{
	static const struct {
		uint32_t order, first, last;
	} rows[] = {
	    {0xf41, 0xf412, 0xf241}, /* as boards are sold: it had no network */
	    {0xf21, 0xf12, 0xf21},
	    {0xf12, 0xf12, 0xf21},
	    {0xf2461, 0xf4612, 0xf2461},
	    {0xe2, 0xe2, 0xe2},
	    {0x241, 0x412, 0x241},
	    {0x1, 0x12, 0x21},
	    {0x2, 0x2, 0x2},
	    {0xf2121, 0xf112, 0xf211}, /* twice: once is enough */
	    {0xf7654321, 0xf7654312, 0xf2765431},
	    {0xf7654331, 0, 0},
	};
	char text[BOOT_ORDER_WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(boot_order_move(rows[i].order, true), rows[i].first);
		assert_int_equal(boot_order_move(rows[i].order, false), rows[i].last);
	}
	assert_string_equal(
	    boot_order_words(0xf412, text), "network, SD card, USB, from the start");
	assert_true(strlen(boot_order_words(0x88888888, text)) < sizeof(text));
}

static unsigned count_of(uint32_t order, unsigned digit)
{
	unsigned n = 0;

	for (; order; order >>= 4)
		n += (order & 0xf) == digit;
	return n;
}

/* Whatever the order, all else stays, and a second time changes nothing. */
static void nothing_else_is_changed(void **state)
{
	(void)state;
	srand(3);
	for (int i = 0; i < ORDERS; i++) {
		uint32_t order = ((uint32_t)rand() << 16 ^ (uint32_t)rand()) >> rand() % 29;
		for (int first = 0; first < 2; first++) {
			uint32_t moved = boot_order_move(order, first);
			if (moved == 0) {
				assert_true(order >> 28 && count_of(order, 2) == 0);
				continue;
			}
			assert_int_equal(count_of(moved, 2), 1);
			for (unsigned digit = 1; digit < 16; digit++)
				if (digit != 2)
					assert_int_equal(
					    count_of(moved, digit), count_of(order, digit));
			assert_true(!first || (moved & 0xf) == 2);
			assert_int_equal(boot_order_move(moved, first), moved);
		}
	}
}

static const char whole[] =
    "[all]\nBOOT_UART=1\n[none]\nBOOT_ORDER=0x1\n[all]\n  BOOT_ORDER=0xf41 \r\n"
    "POWER_OFF_ON_HALT=0\n#BOOT_ORDER=0x4\nTFTP_IP=\n";

static void it_is_found_in_the_configuration(void **state)
{
	static const struct {
		const char *text;
		uint32_t order; /* 0: not found */
	} rows[] = {
	    {whole, 0xf41},
	    {"BOOT_ORDER=0xf41", 0xf41},
	    {"BOOT_ORDER=0x1\nBOOT_ORDER=0x21\n", 0x21}, /* the last one holds */
	    {"BOOT_ORDER=3841\n", 0xf01},
	    {"BOOT_ORDER=0xf41\n[gpio5=1]\nBOOT_ORDER=0x2\n", 0}, /* it depends */
	    {"[cm4]\nBOOT_ORDER=0x2\n", 0},
	    {"BOOT_ORDER=\n", 0},
	    {"BOOT_ORDER=0x\n", 0},
	    {"BOOT_ORDER=0\n", 0},
	    {"BOOT_ORDER=-1\n", 0},
	    {"BOOT_ORDER=0xf41zz\n", 0},
	    {"BOOT_ORDER=0x123456789\n", 0},
	    {"BOOT_ORDER=0x00000000000000000000000000000000001\n", 0},
	    {"BOOT_ORDERS=0x1\n", 0},
	    {"", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t order = 0;
		bool found = boot_order_find(rows[i].text, strlen(rows[i].text), &order);
		if (found != (rows[i].order != 0) || (found && order != rows[i].order))
			fail_msg("row %zu: %d, 0x%x", i, found, order);
	}
}

static void each_line_that_counts_is_edited_and_no_other(void **state)
{
	static const struct {
		const char *text, *first, *last; /* NULL: what is said of it is `wrong` */
		const char *wrong;
	} rows[] = {
	    {whole,
		"[all]\nBOOT_UART=1\n[none]\nBOOT_ORDER=0x1\n[all]\n  BOOT_ORDER=0xf412 \r\n"
		"POWER_OFF_ON_HALT=0\n#BOOT_ORDER=0x4\nTFTP_IP=\n",
		"[all]\nBOOT_UART=1\n[none]\nBOOT_ORDER=0x1\n[all]\n  BOOT_ORDER=0xf241 \r\n"
		"POWER_OFF_ON_HALT=0\n#BOOT_ORDER=0x4\nTFTP_IP=\n",
		NULL},
	    {"BOOT_ORDER=0xf41", "BOOT_ORDER=0xf412", "BOOT_ORDER=0xf241", NULL},
	    {"BOOT_ORDER=0x1\nBOOT_ORDER=0x21\n", "BOOT_ORDER=0x12\nBOOT_ORDER=0x12\n",
		"BOOT_ORDER=0x21\nBOOT_ORDER=0x21\n", NULL},
	    {"BOOT_ORDER=0xf21\n[gpio5=1]\nBOOT_ORDER=0x1\n",
		"BOOT_ORDER=0xf12\n[gpio5=1]\nBOOT_ORDER=0x12\n",
		"BOOT_ORDER=0xf21\n[gpio5=1]\nBOOT_ORDER=0x21\n", NULL},
	    {"[cm4]\r\nBOOT_ORDER=0x21\r\n", "BOOT_ORDER=0xf612\r\n[cm4]\r\nBOOT_ORDER=0x12\r\n",
		"BOOT_ORDER=0xf261\r\n[cm4]\r\nBOOT_ORDER=0x21\r\n", NULL},
	    {"[all]\nBOOT_UART=0\n", "BOOT_ORDER=0xf612\n[all]\nBOOT_UART=0\n",
		"BOOT_ORDER=0xf261\n[all]\nBOOT_UART=0\n", NULL},
	    {"", "BOOT_ORDER=0xf612\n", "BOOT_ORDER=0xf261\n", NULL},
	    {"A=1\nBOOT_ORDER=no\n", NULL, NULL, "line 2: what follows BOOT_ORDER= is no number"},
	    {"BOOT_ORDER=0xf7654331\n", NULL, NULL,
		"line 1: BOOT_ORDER=0xf7654331 has all of its 8 digits"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		const char *text = rows[i / 2].text;
		const char *wanted = i % 2 ? rows[i / 2].last : rows[i / 2].first;
		_cleanup_free_ char *out = NULL;
		struct err e = ERR_INIT;
		size_t len = 0;
		int r = boot_order_edit(text, strlen(text), i % 2 == 0, 0xf61, &out, &len, &e);
		if (wanted) {
			assert_int_equal(r, 0);
			assert_string_equal(out, wanted);
			assert_int_equal(len, strlen(wanted));
		} else {
			assert_true(r < 0);
			assert_memory_equal(e.msg, rows[i / 2].wrong, strlen(rows[i / 2].wrong));
		}
	}
}

/* What is edited a second time stays as it is, and says for every board what was wanted. */
static void damaged_ones_are_read_and_edited_within_their_bounds(void **state)
{
	(void)state;
	srand(4);
	for (int i = 0; i < DAMAGES; i++) {
		size_t len = (size_t)rand() % sizeof(whole), out_len = 0, again_len = 0;
		_cleanup_free_ char *copy = malloc(len ? len : 1), *out = NULL, *again = NULL;
		struct err e = ERR_INIT;
		uint32_t order;
		memcpy(copy, whole, len);
		for (int k = rand() % 4; len > 0 && k > 0; k--)
			copy[(size_t)rand() % len] = (char)rand();
		if (boot_order_find(copy, len, &order))
			assert_true(order > 0);
		if (boot_order_edit(copy, len, i % 2, 0xf41, &out, &out_len, &e) < 0) {
			assert_true(e.msg[0]);
			continue;
		}
		if (boot_order_find(out, out_len, &order))
			assert_int_equal(boot_order_move(order, i % 2), order);
		assert_int_equal(
		    boot_order_edit(out, out_len, i % 2, 0xf41, &again, &again_len, &e), 0);
		assert_int_equal(again_len, out_len);
		assert_memory_equal(again, out, out_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_network_is_moved),
	    cmocka_unit_test(nothing_else_is_changed),
	    cmocka_unit_test(it_is_found_in_the_configuration),
	    cmocka_unit_test(each_line_that_counts_is_edited_and_no_other),
	    cmocka_unit_test(damaged_ones_are_read_and_edited_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
