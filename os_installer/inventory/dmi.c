/* What a machine's maker says of it: SMBIOS as the kernel shows it, or a device tree. */
#include "os_installer/inventory/parts.h"

#include "os_installer/inventory/below.h"
#include "os_installer/inventory/unset.h"

struct dmi_key {
	const char *key;
	const char *file; /* in /sys/class/dmi/id */
	json_t *(*value)(const char *text);
	const char *tree; /* NULL, or where a device tree has it */
};

static const struct dmi_key system_keys[] = {
    {"manufacturer", "sys_vendor", unset_or_words, NULL},
    {"product", "product_name", unset_or_words, "model"},
    {"version", "product_version", unset_or_words, NULL},
    {"serial", "product_serial", unset_or_number, "serial-number"},
    {"uuid", "product_uuid", unset_or_uuid, NULL},
    {"sku", "product_sku", unset_or_words, NULL},
    {"family", "product_family", unset_or_words, NULL},
    {0},
};

static const struct dmi_key board_keys[] = {
    {"manufacturer", "board_vendor", unset_or_words, NULL},
    {"product", "board_name", unset_or_words, NULL},
    {"version", "board_version", unset_or_words, NULL},
    {"serial", "board_serial", unset_or_number, NULL},
    {"asset", "board_asset_tag", unset_or_number, NULL},
    {0},
};

static const struct dmi_key chassis_keys[] = {
    {"serial", "chassis_serial", unset_or_number, NULL},
    {"asset", "chassis_asset_tag", unset_or_number, NULL},
    {0},
};

static const struct dmi_key bios_keys[] = {
    {"vendor", "bios_vendor", unset_or_words, NULL},
    {"version", "bios_version", unset_or_words, NULL},
    {"date", "bios_date", unset_or_words, NULL},
    {0},
};

static json_t *keys_read(const char *root, const struct dmi_key *k)
{
	json_t *o = json_object();

	for (; k->key; k++) {
		char text[BELOW_TEXT_SIZE];
		below_text(text, sizeof(text), "%s/sys/class/dmi/id/%s", root, k->file);
		if (!*text && k->tree)
			below_text(text, sizeof(text), "%s/sys/firmware/devicetree/base/%s", root,
			    k->tree);
		json_object_set_new(o, k->key, k->value(text));
	}
	return o;
}

json_t *inventory_system(const char *root)
{
	return keys_read(root, system_keys);
}

json_t *inventory_board(const char *root)
{
	return keys_read(root, board_keys);
}

/* DSP0134, 7.4.1; the others are rare. */
static const char *const chassis_types[] = {
    [3] = "desktop",
    [4] = "low profile desktop",
    [5] = "pizza box",
    [6] = "mini tower",
    [7] = "tower",
    [8] = "portable",
    [9] = "laptop",
    [10] = "notebook",
    [11] = "hand held",
    [13] = "all in one",
    [14] = "sub notebook",
    [17] = "main server chassis",
    [23] = "rack mount chassis",
    [25] = "multi-system chassis",
    [28] = "blade",
    [29] = "blade enclosure",
    [30] = "tablet",
    [31] = "convertible",
    [32] = "detachable",
    [33] = "IoT gateway",
    [34] = "embedded PC",
    [35] = "mini PC",
    [36] = "stick PC",
};

json_t *inventory_chassis(const char *root)
{
	const size_t count = sizeof(chassis_types) / sizeof(*chassis_types);
	json_t *o = keys_read(root, chassis_keys);
	const char *name = NULL;
	long long type;

	if (below_number(&type, 10, "%s/sys/class/dmi/id/chassis_type", root) && type >= 0 &&
	    type < (long long)count)
		name = chassis_types[type];
	json_object_set_new(o, "type", name ? json_string(name) : json_null());
	return o;
}

json_t *inventory_bios(const char *root)
{
	return keys_read(root, bios_keys);
}
