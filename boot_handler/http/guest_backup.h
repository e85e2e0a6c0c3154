/* guest_backup.h - what a machine asks whose disk becomes an image (sources/backup.h): a listener
 * of its own, whose threads wait for the disk. */
#ifndef BOOT_HANDLER_HTTP_GUEST_BACKUP_H
#define BOOT_HANDLER_HTTP_GUEST_BACKUP_H

#include "boot_handler/http/endpoint.h"
#include "boot_handler/http/services.h"
#include "boot_handler/sources/backup.h"

extern const struct endpoint_table guest_backup_endpoints;

/* What can still become of an order, for backups_new(); `ctx` is struct services. */
enum backup_use guest_backup_use(void *ctx, int64_t order);

#endif
