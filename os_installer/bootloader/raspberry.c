#include "os_installer/bootloader/raspberry.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

#define NETWORK 0x2U
#define DIGITS 8
#define FILE_MAX_BYTES (64U << 10)
#define SETTING "BOOT_ORDER"

static const char *const words[16] = {
    [0x0] = "SD card once there is one",
    [0x1] = "SD card",
    [0x2] = "network",
    [0x3] = "RPIBOOT",
    [0x4] = "USB",
    [0x5] = "USB of the SoC",
    [0x6] = "NVMe",
    [0x7] = "HTTP",
    [0xe] = "stop",
    [0xf] = "from the start",
};

/* ---- the number ---------------------------------------------------------------------------- */

static bool ends_it(unsigned digit)
{
	return digit == 0xe || digit == 0xf;
}

uint32_t raspberry_network_move(uint32_t order, bool first)
{
	unsigned digit[DIGITS + 1], count = 0;
	bool placed = first;
	uint32_t moved = 0;

	if (first)
		digit[count++] = NETWORK;
	for (; order != 0; order >>= 4) {
		unsigned now = order & 0xf;
		if (now == NETWORK)
			continue;
		if (!placed && ends_it(now)) {
			digit[count++] = NETWORK;
			placed = true;
		}
		if (count <= DIGITS)
			digit[count++] = now;
	}
	if (!placed && count <= DIGITS)
		digit[count++] = NETWORK;
	if (count > DIGITS)
		return 0;
	while (count > 0)
		moved = moved << 4 | digit[--count];
	return moved;
}

const char *raspberry_order_words(uint32_t order, char buf[RASPBERRY_WORDS_SIZE])
{
	size_t at = 0;

	buf[0] = '\0';
	for (; order != 0 && at < RASPBERRY_WORDS_SIZE; order >>= 4) {
		const char *word = words[order & 0xf];
		at += (size_t)snprintf(buf + at, RASPBERRY_WORDS_SIZE - at, "%s%s", at ? ", " : "",
		    word ? word : "what is not known here");
	}
	return buf;
}

/* ---- the bootloader's configuration ---------------------------------------------------------- */

/* The value's text, or NULL for another line. */
static const char *value_of(const char *line)
{
	size_t len = strlen(SETTING);

	return strncmp(line, SETTING, len) == 0 && line[len] == '=' ? line + len + 1 : NULL;
}

static bool number_read(const char *text, uint32_t *out)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 0);
	end += strspn(end, " \t\r");
	*out = (uint32_t)n;
	return end > text && *end == '\0' && *text != '-' && errno == 0 && n > 0 && n <= UINT32_MAX;
}

/* A line in brackets says for which boards the next ones are, [all] for every one, [none] for
 * none. */
bool raspberry_order_find(const char *config, size_t len, uint32_t *order)
{
	_cleanup_free_ char *copy = strndup(config, len);
	bool all = true, none = false, found = false;
	char *rest = copy, *line;

	while (copy && (line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		const char *value = value_of(line);
		if (*line == '[') {
			all = strncmp(line, "[all]", 5) == 0;
			none = strncmp(line, "[none]", 6) == 0;
		}
		if (!value || none)
			continue;
		if (!all || !number_read(value, order))
			return false;
		found = true;
	}
	return found;
}

/* ---- the machine ---------------------------------------------------------------------------- */

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

/* The kernel shows what the bootloader was told, where it has the driver for it. */
static bool order_now(const char *root, uint32_t *order)
{
	char devices[PATH_MAX / 4], path[PATH_MAX];

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
		       raspberry_order_find(config, len, order);
	}
	return false;
}

int raspberry_order_judge(const char *root, bool first, struct err *e)
{
	char path[PATH_MAX / 4], is[RASPBERRY_WORDS_SIZE], becomes[RASPBERRY_WORDS_SIZE];
	uint32_t order = 0;

	snprintf(path, sizeof(path), "%s/proc/device-tree/compatible", root);
	if (!is_compatible(path, "raspberrypi,"))
		return 0;
	if (!is_compatible(path, "brcm,bcm2711") && !is_compatible(path, "brcm,bcm2712"))
		return err_set(e, ENOTSUP,
		    "this Raspberry Pi has no boot order: its boot ROM tries the SD card, then what its one-time memory (OTP) switches on");
	bool known = order_now(root, &order);
	uint32_t moved = known ? raspberry_network_move(order, first) : 0;
	if (moved == 0)
		return err_set(e, ENOTSUP,
		    "this Raspberry Pi's boot order is " SETTING
		    " in its EEPROM, which only its maker's programs write: set it in an installed system with `sudo -E rpi-eeprom-config --edit`, where 2 is the network and the last digit is tried first");
	if (moved == order)
		return RASPBERRY_ORDERED;
	return err_set(e, ENOTSUP,
	    "this Raspberry Pi's boot order is " SETTING
	    "=0x%x in its EEPROM (%s), which only its maker's programs write: make it 0x%x (%s) in an installed system with `sudo -E rpi-eeprom-config --edit`",
	    order, raspberry_order_words(order, is), moved, raspberry_order_words(moved, becomes));
}
