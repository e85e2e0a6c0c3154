/* guest_backup.h - what a machine asks whose disk becomes an image (sources/backup.h): a listener
 * of its own, whose threads wait for the disk. */
#ifndef BOOT_HANDLER_HTTP_GUEST_BACKUP_H
#define BOOT_HANDLER_HTTP_GUEST_BACKUP_H

#include "boot_handler/http/endpoint.h"
#include "boot_handler/http/services.h"

extern const struct endpoint_table guest_backup_endpoints;

/* Drops the slices of orders that are over. */
void guest_backup_sweep(struct services *services);

#endif
