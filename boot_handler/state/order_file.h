/* order_file.h - orders on their way to and from the state file. */
#ifndef BOOT_HANDLER_STATE_ORDER_FILE_H
#define BOOT_HANDLER_STATE_ORDER_FILE_H

#include "boot_handler/state/order.h"
#include "boot_handler/state/writer.h"

/* Before anything else is done with them. */
must_check int orders_load(struct orders *t, struct db *db, struct err *e);

/* For writer_start(). */
struct writer_aside orders_aside(struct orders *t);

#endif
