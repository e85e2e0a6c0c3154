/* Every network card: Ethernet, with hardware behind it. */
#include "os_installer/inventory/parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "os_installer/inventory/below.h"

#define NICS_MAX 64
#define ETHERNET 1 /* linux/if_arp.h */

/* That of the card, or of the card behind a virtio device; a USB adapter has none. */
static json_t *pci_id(const char *folder, const char *name)
{
	char path[PATH_MAX], device[PATH_MAX], bus[BELOW_TEXT_SIZE], id[16];
	long long vendor, model;

	snprintf(path, sizeof(path), "%s/%s/device", folder, name);
	if (!realpath(path, device))
		return json_null();
	if (strcmp(below_link(bus, sizeof(bus), "%s/subsystem", device), "virtio") == 0) {
		*strrchr(device, '/') = '\0';
		below_link(bus, sizeof(bus), "%s/subsystem", device);
	}
	if (strcmp(bus, "pci") != 0 || !below_number(&vendor, 16, "%s/vendor", device) ||
	    !below_number(&model, 16, "%s/device", device))
		return json_null();
	snprintf(id, sizeof(id), "%04x:%04x", (unsigned)vendor & 0xffff, (unsigned)model & 0xffff);
	return json_string(id);
}

static bool take(void *ctx, const char *folder, const char *name)
{
	char text[BELOW_TEXT_SIZE];
	long long number;

	if (!below_number(&number, 10, "%s/%s/type", folder, name) || number != ETHERNET ||
	    !*below_link(text, sizeof(text), "%s/%s/device", folder, name))
		return false;
	json_t *o = json_object();
	snprintf(text, sizeof(text), "%s", name);
	text_clean_string(text, "");
	json_object_set_new(o, "name", json_string(text));
	json_object_set_new(o, "mac", below_json_text("%s/%s/address", folder, name));
	json_object_set_new(o, "driver",
	    below_json(below_link(text, sizeof(text), "%s/%s/device/driver", folder, name)));
	json_object_set_new(o, "pci_id", pci_id(folder, name));
	/* One that is down does not know. */
	bool known = below_number(&number, 10, "%s/%s/carrier", folder, name);
	json_object_set_new(o, "link", known ? json_boolean(number != 0) : json_null());
	known = below_number(&number, 10, "%s/%s/speed", folder, name) && number > 0;
	json_object_set_new(o, "speed_mbps", known ? json_integer(number) : json_null());
	json_object_set_new(o, "neighbour", json_null());
	json_array_append_new(ctx, o);
	return true;
}

json_t *inventory_nics(const char *root)
{
	json_t *nics = json_array();
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/sys/class/net", root);
	if (nics)
		below_each(folder, NICS_MAX, take, nics);
	return nics;
}
