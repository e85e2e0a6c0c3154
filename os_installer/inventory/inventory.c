#include "os_installer/inventory/inventory.h"

#include <errno.h>

#include "os_installer/inventory/parts.h"

static const struct {
	const char *name;
	json_t *(*read)(const char *root);
} parts[] = {
    {"system", inventory_system},
    {"board", inventory_board},
    {"chassis", inventory_chassis},
    {"bios", inventory_bios},
    {"firmware", inventory_firmware},
    {"cpu", inventory_cpu},
    {"memory", inventory_memory},
    {"disks", inventory_disks},
    {"nics", inventory_nics},
    {"pci", inventory_pci},
    {"usb", inventory_usb},
    {"tpm", inventory_tpm},
    {"kernel", inventory_kernel},
};

int inventory_make(const char *root, json_t **out, struct err *e)
{
	json_t *doc = json_pack("{s:i}", "format", INVENTORY_FORMAT);

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && doc; i++)
		if (json_object_set_new(doc, parts[i].name, parts[i].read(root)) < 0) {
			json_decref(doc);
			doc = NULL;
		}
	if (!doc)
		return err_set(e, ENOMEM, "out of memory");
	*out = doc;
	return 0;
}
