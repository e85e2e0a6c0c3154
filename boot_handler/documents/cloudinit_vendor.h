/* cloudinit_vendor.h - inside of cloudinit.h: what the lab itself wants of a guest. Pure.
 *
 * A "#cloud-config-archive" (cloud-init: user-data formats) of two parts: settings that the user's
 * own document may overrule, and the script that tells of each boot (guest_ready.py).
 */
#ifndef BOOT_HANDLER_DOCUMENTS_CLOUDINIT_VENDOR_H
#define BOOT_HANDLER_DOCUMENTS_CLOUDINIT_VENDOR_H

#include <jansson.h>

#include "boot_handler/documents/cloudinit.h"

/* The list of parts; NULL only when out of memory. */
json_t *cloudinit_vendor_parts(const struct cloudinit *c);

#endif
