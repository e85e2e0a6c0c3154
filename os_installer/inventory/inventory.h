/* inventory.h - what this machine is made of, as one document: inventory.schema.json says its form.
 *
 * Asks the kernel alone: sysfs, SMBIOS, EFI variables, and libblkid for what lies on disks. What a
 * machine does not tell, or its vendor has not set, is null.
 */
#ifndef OS_INSTALLER_INVENTORY_INVENTORY_H
#define OS_INSTALLER_INVENTORY_INVENTORY_H

#include <jansson.h>

#include "lib/base/err.h"

#define INVENTORY_FORMAT 1
#define INVENTORY_MAX_BYTES (1U << 20) /* of its text; each part is bounded so that it fits */

/* Reads below the folder `root`, "" for this machine. Returns 0 with a new reference, or -ENOMEM.
 */
must_check int inventory_make(const char *root, json_t **out, struct err *e);

#endif
