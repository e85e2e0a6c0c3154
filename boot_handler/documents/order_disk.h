/* order_disk.h - the disk that an operator names, among those of a machine's inventory. Pure. */
#ifndef BOOT_HANDLER_DOCUMENTS_ORDER_DISK_H
#define BOOT_HANDLER_DOCUMENTS_ORDER_DISK_H

#include <jansson.h>

#include "lib/base/err.h"

/* `wanted` is a name ("vda", "/dev/vda"), a serial number, or an object as a definition's
 * disks[0].match. *out is a new {"name", "serial" or null, "size_bytes"}. -EBUSY with all disks
 * there are when none or several fit. */
must_check int order_disk_find(
    const char *machine, const char *inventory, const json_t *wanted, json_t **out, struct err *e);

#endif
