/* What is said and done of a Raspberry Pi's boot order, in a folder that looks like one. */
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

#define TIME 1790000000

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

static void updated(uint32_t at)
{
	const uint8_t cell[4] = {
	    (uint8_t)(at >> 24), (uint8_t)(at >> 16), (uint8_t)(at >> 8), (uint8_t)at};

	put("proc/device-tree/chosen/bootloader/update-timestamp", cell, sizeof(cell));
}

static void judged(
    bool first, const struct raspberry_offer *offer, int64_t uptime_s, int wanted, const char *why)
{
	struct raspberry_order order;
	struct err e = ERR_INIT;
	int r = raspberry_order_judge(root, first, offer, uptime_s, &order, &e);

	if (r != wanted || (why && !strstr(e.msg, why)))
		fail_msg("%d, not %d: %s", r, wanted, e.msg);
}

static void without_an_offer_it_is_said_how_it_is(void **state)
{
	struct raspberry_order order;
	struct err e = ERR_INIT;

	(void)state;
	judged(true, NULL, 0, 0, NULL);
	put("proc/device-tree/compatible", "qemu,virt", 10);
	judged(true, NULL, 0, 0, NULL);
	board("bcm2711", "BOOT_ORDER=0xf41\n");
	judged(true, NULL, 0, -ENOTSUP, "its server has no update file for it");
	assert_int_equal(raspberry_order_judge(root, false, NULL, 0, &order, &e), -ENOTSUP);
	assert_int_equal(order.order, 0xf41);
	assert_int_equal(order.becomes, 0xf241);
	assert_non_null(strstr(order.hint, "\"serial\""));
	board("bcm2712", "BOOT_ORDER=0xf2416\n");
	judged(false, NULL, 0, RASPBERRY_ORDERED, NULL);
	board("bcm2712", "[pi5]\nBOOT_ORDER=0xf2416\n");
	judged(false, NULL, 0, -ENOTSUP, "its server has no update file for it");
	board("bcm2837", "");
	judged(false, NULL, 0, -ENOTSUP, "has no boot order");
}

static void with_one_it_starts_anew_once(void **state)
{
	struct raspberry_offer offer = {.soc = "2711", .timestamp = TIME, .since_s = 0};
	const struct raspberry_offer none = {.why = "there is no image"};
	const struct raspberry_offer other = {.soc = "2712", .timestamp = TIME};

	(void)state;
	board("bcm2711", "BOOT_ORDER=0xf41\n");
	judged(true, &none, 100, -ENOENT, "there is no image");
	judged(true, &offer, 100, -ENOTSUP, "does not say when it was last updated");
	updated(TIME + 1);
	judged(true, &offer, 100, -EINVAL, "later than now by the server's clock");
	updated(TIME - 1000);
	judged(true, &other, 100, -EINVAL, "BCM2712, which this one is not");
	judged(true, &offer, 100, RASPBERRY_RESTART, NULL);
	offer.since_s = 5; /* the agent began anew, the machine did not */
	judged(true, &offer, 105, RASPBERRY_RESTART, NULL);
	offer.since_s = 60;
	judged(true, &offer, 30, -EIO, "did not take the update file");
	updated(TIME);
	judged(true, &offer, 30, -EIO, "is 0xf41 all the same");
	board("bcm2711", "BOOT_ORDER=0xf412\n");
	judged(true, &offer, 30, RASPBERRY_ORDERED, NULL);
	board("bcm2711", ""); /* this kernel does not show it */
	judged(true, &offer, 30, RASPBERRY_ORDERED, NULL);
	updated(TIME - 1000);
	offer.since_s = 0;
	judged(true, &offer, 30, RASPBERRY_RESTART, NULL);
}

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char remove[64];

	(void)state;
	snprintf(remove, sizeof(remove), "rm -r %s", root);
	return system(remove);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_an_offer_it_is_said_how_it_is),
	    cmocka_unit_test(with_one_it_starts_anew_once),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
