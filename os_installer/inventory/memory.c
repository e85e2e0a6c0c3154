/* The memory modules, by SMBIOS type 17 (DSP0134, 7.18), and how much they are. */
#include "os_installer/inventory/memory.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/inventory/below.h"
#include "os_installer/inventory/parts.h"
#include "os_installer/inventory/smbios.h"
#include "os_installer/inventory/unset.h"

#define MODULES_MAX 256
#define MODULE_TEXT_SIZE 65
#define SIZE_UNKNOWN 0xffffU
#define SIZE_EXTENDED 0x7fffU
#define SPEED_EXTENDED 0xffffU

/* 7.18.2 */
static const char *const types[] = {
    [0x03] = "DRAM",
    [0x07] = "RAM",
    [0x0f] = "SDRAM",
    [0x12] = "DDR",
    [0x13] = "DDR2",
    [0x14] = "DDR2 FB-DIMM",
    [0x18] = "DDR3",
    [0x1a] = "DDR4",
    [0x1b] = "LPDDR",
    [0x1c] = "LPDDR2",
    [0x1d] = "LPDDR3",
    [0x1e] = "LPDDR4",
    [0x20] = "HBM",
    [0x21] = "HBM2",
    [0x22] = "DDR5",
    [0x23] = "LPDDR5",
    [0x24] = "HBM3",
};

/* 0: nothing is plugged in there. */
static uint64_t size_of(const struct smbios_entry *s, bool *known)
{
	uint64_t size = smbios_number(s, 0x0c, 2);

	*known = size != SIZE_UNKNOWN;
	if (size == SIZE_EXTENDED)
		return (smbios_number(s, 0x1c, 4) & 0x7fffffffU) << 20;
	return (size & 0x7fffU) << (size & 0x8000U ? 10 : 20);
}

/* What it runs at, else what it could. */
static uint64_t speed_of(const struct smbios_entry *s)
{
	static const struct {
		size_t word, extended;
	} where[] = {{0x20, 0x58}, {0x15, 0x54}};
	uint64_t speed = 0;

	for (size_t i = 0; i < sizeof(where) / sizeof(*where) && !speed; i++) {
		speed = smbios_number(s, where[i].word, 2);
		if (speed == SPEED_EXTENDED)
			speed = smbios_number(s, where[i].extended, 4) & 0x7fffffffU;
	}
	return speed;
}

static json_t *module(const struct smbios_entry *s, bool known, uint64_t size_bytes)
{
	uint64_t type = smbios_number(s, 0x12, 1), speed = speed_of(s);
	const char *name = type < sizeof(types) / sizeof(*types) ? types[type] : NULL;
	char text[MODULE_TEXT_SIZE];
	json_t *o = json_object();

	json_object_set_new(o, "locator", unset_or_words(smbios_text(s, 0x10, text, sizeof(text))));
	json_object_set_new(
	    o, "size_bytes", known ? json_integer((json_int_t)size_bytes) : json_null());
	json_object_set_new(o, "type", name ? json_string(name) : json_null());
	json_object_set_new(o, "speed_mts", speed ? json_integer((json_int_t)speed) : json_null());
	json_object_set_new(
	    o, "manufacturer", unset_or_words(smbios_text(s, 0x17, text, sizeof(text))));
	json_object_set_new(o, "part", unset_or_words(smbios_text(s, 0x1a, text, sizeof(text))));
	json_object_set_new(o, "serial", unset_or_number(smbios_text(s, 0x18, text, sizeof(text))));
	return o;
}

/* What the kernel has: less than what is plugged in. */
static uint64_t kernel_total(const char *root)
{
	unsigned long long kib = 0;
	char text[256];
	ssize_t n = below_bytes(text, sizeof(text) - 1, "%s/proc/meminfo", root);

	text[n < 0 ? 0 : n] = '\0';
	return sscanf(text, "MemTotal: %16llu kB", &kib) == 1 && kib < 1ULL << 50 ? kib << 10 : 0;
}

json_t *memory_modules(const struct smbios_table *t, uint64_t *total_bytes)
{
	json_t *modules = json_array();
	struct smbios_entry s;

	*total_bytes = 0;
	for (size_t at = 0; json_array_size(modules) < MODULES_MAX && smbios_next(t, &at, &s);) {
		bool known;
		if (s.type != SMBIOS_MEMORY_DEVICE)
			continue;
		uint64_t size_bytes = size_of(&s, &known);
		if (known && size_bytes == 0)
			continue;
		*total_bytes += known ? size_bytes : 0;
		json_array_append_new(modules, module(&s, known, size_bytes));
	}
	return modules;
}

json_t *inventory_memory(const char *root)
{
	_cleanup_smbios_ struct smbios_table t = smbios_read(root);
	uint64_t total;
	json_t *modules = memory_modules(&t, &total);

	if (!total)
		total = kernel_total(root);
	return json_pack("{s:o, s:o}", "total_bytes",
	    total ? json_integer((json_int_t)total) : json_null(), "modules", modules);
}
