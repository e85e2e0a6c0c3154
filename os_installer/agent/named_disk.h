/* named_disk.h - the disk that an order names: the server resolved it by an inventory, and what is
 * there now may be another one. And the system on it.
 */
#ifndef OS_INSTALLER_AGENT_NAMED_DISK_H
#define OS_INSTALLER_AGENT_NAMED_DISK_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/definition/disk_choice.h"
#include "os_installer/agent/order.h"
#include "os_installer/system/installed.h"

/* The disk of argument "disk". Found by its serial number, by its name where it has none; refused,
 * with what there is, unless number and size are the order's. `writes`: also one that is in use or
 * read-only is refused. -ENODEV, -ESTALE, -EBUSY. */
must_check int order_disk(struct order_run *o, bool writes, struct disk *out, struct err *e);

/* Mounts at `directory` the system that is installed on argument "disk", or on this machine where
 * the order has none, in a mount namespace of this process' own; as installed.h's functions. */
must_check int order_system(
    struct order_run *o, const char *directory, struct installed *out, struct err *e);

/* The disk that an argument names, of a machine with these: pure. */
must_check int order_disk_choose(
    const json_t *wanted, const struct disk *disks, size_t count, struct disk *out, struct err *e);

#endif
