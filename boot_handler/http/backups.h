/* backups.h - the images that machines' disks became (sources/backup.h), as the operator sees them.
 */
#ifndef BOOT_HANDLER_HTTP_BACKUPS_H
#define BOOT_HANDLER_HTTP_BACKUPS_H

#include "boot_handler/http/call.h"

int backups_list(const struct call *c, struct server_answer *a, struct err *e);
/* Removes one, of all architectures. */
int backups_remove(const struct call *c, struct server_answer *a, struct err *e);

#endif
