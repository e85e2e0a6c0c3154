/* inventory.h - what a machine's agent says that it is made of, as it comes from the machine:
 * judged and cleaned. Pure. Its form: os_installer/inventory/inventory.schema.json.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_INVENTORY_H
#define BOOT_HANDLER_DOCUMENTS_INVENTORY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/shown.h"

#define INVENTORY_FORMAT 1

struct inventory {
	char *text;           /* compact JSON; no text in it steers a terminal */
	struct shown shown;   /* what it tells of the system */
	int64_t memory_bytes; /* in all: of the modules where these tell more; 0: not told */
	int64_t disk_bytes;   /* of the largest disk that is no removable one; 0: there is none */
	char summary[64];     /* "4 threads, 8.0 GiB, 2 disks" */
};

/* -EINVAL with what is wrong. inventory_clear() in any case. */
must_check int inventory_parse(const char *body, size_t len, struct inventory *out, struct err *e);
void inventory_clear(struct inventory *inventory);

#endif
