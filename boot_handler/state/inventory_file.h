/* inventory_file.h - inventories on their way to and from the state file. */
#ifndef BOOT_HANDLER_STATE_INVENTORY_FILE_H
#define BOOT_HANDLER_STATE_INVENTORY_FILE_H

#include "boot_handler/state/inventory.h"
#include "boot_handler/state/writer.h"

/* Before anything else is done with them. */
must_check int inventories_load(struct inventories *t, struct db *db, struct err *e);

/* For writer_start(). */
struct writer_aside inventories_aside(struct inventories *t);

#endif
