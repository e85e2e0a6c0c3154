/* What is on the PCI and USB buses, by its ids. */
#include "os_installer/inventory/parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"
#include "os_installer/inventory/below.h"

#define PCI_MAX 1024
#define USB_MAX 256

static bool id_read(const char *folder, const char *name, const char *vendor_file,
    const char *model_file, char id[16])
{
	long long vendor, model;

	if (!below_number(&vendor, 16, "%s/%s/%s", folder, name, vendor_file) ||
	    !below_number(&model, 16, "%s/%s/%s", folder, name, model_file))
		return false;
	snprintf(id, 16, "%04x:%04x", (unsigned)vendor & 0xffff, (unsigned)model & 0xffff);
	return true;
}

static bool pci_take(void *ctx, const char *folder, const char *name)
{
	char id[16], class_text[16], address[32];
	long long class;

	if (!id_read(folder, name, "vendor", "device", id))
		return false;
	snprintf(address, sizeof(address), "%s", name);
	text_to_ascii(address, strlen(address));
	bool known = below_number(&class, 16, "%s/%s/class", folder, name);
	snprintf(class_text, sizeof(class_text), "%06x", (unsigned)(known ? class : 0) & 0xffffff);
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:o}", "address", address, "id", id,
				       "class", known ? json_string(class_text) : json_null()));
	return true;
}

static bool usb_take(void *ctx, const char *folder, const char *name)
{
	char id[16];

	if (!id_read(folder, name, "idVendor", "idProduct", id))
		return false; /* an interface of a device */
	json_array_append_new(ctx, json_pack("{s:s, s:o}", "id", id, "product",
				       below_json_text("%s/%s/product", folder, name)));
	return true;
}

static json_t *bus(const char *root, const char *name, size_t max,
    bool (*take)(void *ctx, const char *folder, const char *name))
{
	json_t *devices = json_array();
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/sys/bus/%s/devices", root, name);
	if (devices)
		below_each(folder, max, take, devices);
	return devices;
}

json_t *inventory_pci(const char *root)
{
	return bus(root, "pci", PCI_MAX, pci_take);
}

json_t *inventory_usb(const char *root)
{
	return bus(root, "usb", USB_MAX, usb_take);
}
