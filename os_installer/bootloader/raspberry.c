#include "os_installer/bootloader/raspberry.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/boot/boot_order.h"

#define FILE_MAX_BYTES (64U << 10)
#define BY_HAND                                                                                     \
	"or set it in an installed system with `sudo -E rpi-eeprom-config --edit`, where 2 is the " \
	"network and the last digit is tried first"

/* ---- what the machine shows ----------------------------------------------------------------- */

/* Of a device tree's "compatible", texts with a NUL behind each. */
static bool is_compatible(const char *path, const char *beginning)
{
	_cleanup_free_ char *list = NULL;
	struct err ignored = ERR_INIT;
	size_t len;

	if (file_read(path, FILE_MAX_BYTES, &list, &len, &ignored) < 0)
		return false;
	for (const char *one = list; one < list + len; one += strlen(one) + 1)
		if (strncmp(one, beginning, strlen(beginning)) == 0)
			return true;
	return false;
}

static bool is_of_soc(const char *root, const char *soc)
{
	char path[PATH_MAX], name[32];

	snprintf(path, sizeof(path), "%s/proc/device-tree/compatible", root);
	snprintf(name, sizeof(name), "brcm,bcm%s", soc);
	return is_compatible(path, name);
}

/* The kernel shows what the bootloader was told, where it has the driver for it. 0: it does not. */
static uint32_t order_now(const char *root)
{
	char devices[PATH_MAX / 4], path[PATH_MAX];
	uint32_t order;

	snprintf(devices, sizeof(devices), "%s/sys/bus/nvmem/devices", root);
	_cleanup_closedir_ DIR *d = opendir(devices);
	const struct dirent *entry;
	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *config = NULL;
		struct err ignored = ERR_INIT;
		size_t len;
		snprintf(path, sizeof(path), "%s/%s/of_node/compatible", devices, entry->d_name);
		if (!is_compatible(path, "raspberrypi,bootloader-config"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/nvmem", devices, entry->d_name);
		return file_read(path, FILE_MAX_BYTES, &config, &len, &ignored) == 0 &&
			       boot_order_find(config, len, &order)
			   ? order
			   : 0;
	}
	return 0;
}

/* When its EEPROM was last updated; -1: its bootloader does not say. */
static int64_t updated_at(const char *root)
{
	_cleanup_free_ char *data = NULL;
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];
	int64_t at = 0;
	size_t len;

	snprintf(
	    path, sizeof(path), "%s/proc/device-tree/chosen/bootloader/update-timestamp", root);
	if (file_read(path, FILE_MAX_BYTES, &data, &len, &ignored) < 0 || len != 4)
		return -1;
	for (size_t i = 0; i < len; i++)
		at = at << 8 | (uint8_t)data[i];
	return at;
}

/* ---- what follows from it ------------------------------------------------------------------- */

/* Its bootloader wrote it, and what it says now is told above. */
static int judge_written(const struct raspberry_order *o, struct err *e)
{
	if (o->order == 0 || o->order == o->becomes)
		return RASPBERRY_ORDERED;
	return err_set(e, EIO,
	    "the EEPROM was updated, and its BOOT_ORDER for this board is 0x%x all the same: look at the sections of bootconf.txt in the image",
	    o->order);
}

static int judge_offer(const char *root, const struct raspberry_offer *offer, int64_t uptime_s,
    struct raspberry_order *o, struct err *e)
{
	int64_t updated = updated_at(root);

	if (offer->why) {
		o->hint = "once it is there, have the order begun again; " BY_HAND;
		return err_set(e, ENOENT, "%s", offer->why);
	}
	if (!is_of_soc(root, offer->soc))
		return err_set(e, EINVAL,
		    "the server has an EEPROM image for boards with the SoC BCM%s, which this one is not",
		    offer->soc);
	if (updated == offer->timestamp)
		return judge_written(o, e);
	if (updated < 0)
		return err_set(e, ENOTSUP,
		    "this Raspberry Pi's bootloader does not say when it was last updated, so that it is too old to update itself: update it by its maker's programs");
	if (updated > offer->timestamp)
		return err_set(e, EINVAL,
		    "this Raspberry Pi's EEPROM was last updated later than now by the server's clock, so that it takes no update: set that clock");
	if (uptime_s >= offer->since_s)
		return RASPBERRY_RESTART;
	o->hint =
	    "look at its boot screen: its configuration may say ENABLE_SELF_UPDATE=0, its EEPROM be write-protected, or it boots from elsewhere first";
	return err_set(e, EIO,
	    "this Raspberry Pi has started anew, and its bootloader did not take the update file");
}

int raspberry_order_judge(const char *root, bool first, const struct raspberry_offer *offer,
    int64_t uptime_s, struct raspberry_order *out, struct err *e)
{
	char path[PATH_MAX / 4];

	*out = (struct raspberry_order){0};
	snprintf(path, sizeof(path), "%s/proc/device-tree/compatible", root);
	if (!is_compatible(path, "raspberrypi,"))
		return 0;
	if (!is_of_soc(root, "2711") && !is_of_soc(root, "2712"))
		return err_set(e, ENOTSUP,
		    "this Raspberry Pi has no boot order: its boot ROM tries the SD card, then what its one-time memory (OTP) switches on");
	out->order = order_now(root);
	out->becomes = out->order ? boot_order_move(out->order, first) : 0;
	if (out->order && out->becomes == out->order)
		return RASPBERRY_ORDERED;
	if (offer)
		return judge_offer(root, offer, uptime_s, out, e);
	out->hint = "give its definition the board's \"serial\" and \"mode\": \"agent\"; " BY_HAND;
	return err_set(e, ENOTSUP,
	    "this Raspberry Pi's boot order is BOOT_ORDER in its EEPROM, and its server has no update file for it");
}
