/* test_raspberry.c - the boot order of a Raspberry Pi: its digits, the configuration that says it,
 * whole and damaged, and what is said of a board, in a folder that looks like one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/atomic_file.h"
#include "os_installer/bootloader/raspberry.h"

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
	char text[RASPBERRY_WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(raspberry_network_move(rows[i].order, true), rows[i].first);
		assert_int_equal(raspberry_network_move(rows[i].order, false), rows[i].last);
	}
	assert_string_equal(
	    raspberry_order_words(0xf412, text), "network, SD card, USB, from the start");
	assert_true(strlen(raspberry_order_words(0x88888888, text)) < sizeof(text));
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
			uint32_t moved = raspberry_network_move(order, first);
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
			assert_int_equal(raspberry_network_move(moved, first), moved);
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
	    {"BOOT_ORDERS=0x1\n", 0},
	    {"", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t order = 0;
		bool found = raspberry_order_find(rows[i].text, strlen(rows[i].text), &order);
		if (found != (rows[i].order != 0) || (found && order != rows[i].order))
			fail_msg("row %zu: %d, 0x%x", i, found, order);
	}
}

static void a_damaged_one_is_read_within_its_bounds(void **state)
{
	uint32_t order;

	(void)state;
	srand(4);
	for (int i = 0; i < DAMAGES; i++) {
		size_t len = (size_t)rand() % sizeof(whole);
		char *copy = malloc(len ? len : 1);
		memcpy(copy, whole, len);
		for (int k = rand() % 4; len > 0 && k > 0; k--)
			copy[(size_t)rand() % len] = (char)rand();
		if (raspberry_order_find(copy, len, &order))
			assert_true(order > 0);
		free(copy);
	}
}

/* ---- a board ----------------------------------------------------------------------------------
 */

static char root[] = "/tmp/test_raspberry.XXXXXX";

static void put(const char *name, const void *data, size_t len)
{
	struct err e = ERR_INIT;
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		(void)mkdir(path, 0755);
	}
	assert_true(atomic_file_replace(path, data, len, 0644, &e) >= 0);
}

static void board(const char *soc, const char *config)
{
	static const char other[] = "nvmem-rmem",
			  ours[] = "raspberrypi,bootloader-config\0nvmem-rmem";
	char compatible[100];
	int n = snprintf(compatible, sizeof(compatible), "raspberrypi,4-model-b%cbrcm,%s", 0, soc);

	put("proc/device-tree/compatible", compatible, (size_t)n + 1);
	put("sys/bus/nvmem/devices/other/of_node/compatible", other, sizeof(other));
	put("sys/bus/nvmem/devices/other/nvmem", "BOOT_ORDER=0x1\n", 15);
	put("sys/bus/nvmem/devices/rmem0/of_node/compatible", ours, sizeof(ours));
	put("sys/bus/nvmem/devices/rmem0/nvmem", config, strlen(config));
}

static void what_is_to_be_done_is_said(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(raspberry_order_judge(root, true, &e), 0);
	put("proc/device-tree/compatible", "qemu,virt", 10);
	assert_int_equal(raspberry_order_judge(root, true, &e), 0);
	board("bcm2711", whole);
	assert_int_equal(raspberry_order_judge(root, true, &e), -ENOTSUP);
	assert_non_null(
	    strstr(e.msg, "BOOT_ORDER=0xf41 in its EEPROM (SD card, USB, from the start)"));
	assert_non_null(strstr(e.msg, "make it 0xf412 (network, SD card, USB, from the start)"));
	assert_int_equal(raspberry_order_judge(root, false, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "make it 0xf241"));
	board("bcm2712", "BOOT_ORDER=0xf2416\n");
	assert_int_equal(raspberry_order_judge(root, false, &e), RASPBERRY_ORDERED);
	board("bcm2712", "[pi5]\nBOOT_ORDER=0xf2416\n");
	assert_int_equal(raspberry_order_judge(root, false, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "2 is the network"));
	board("bcm2837", "");
	assert_int_equal(raspberry_order_judge(root, false, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "has no boot order"));
	char remove[64];
	snprintf(remove, sizeof(remove), "rm -r %s", root);
	assert_int_equal(system(remove), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_network_is_moved),
	    cmocka_unit_test(nothing_else_is_changed),
	    cmocka_unit_test(it_is_found_in_the_configuration),
	    cmocka_unit_test(a_damaged_one_is_read_within_its_bounds),
	    cmocka_unit_test(what_is_to_be_done_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
