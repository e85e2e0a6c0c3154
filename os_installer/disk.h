/* disk.h - the disks of this machine, and carrying out a plan on one of them.
 *
 * This is the only module that opens a block device for writing (and runs the programs that do:
 * mkfs.ext4, mkfs.vfat).
 */
#ifndef OS_INSTALLER_DISK_H
#define OS_INSTALLER_DISK_H

#include <stddef.h>

#include "err.h"
#include "plan.h"

/* Lists the disks an install may take, at most `max`: virtio, SCSI, SATA, NVMe, MMC; none that is
 * removable, read-only, empty, a CD-ROM, floppy, loop, ram or mapped device, or in use (mounted,
 * held by another device). Waits up to wait_ms for the first to appear. `only` (may be NULL) is a
 * path the user named: then it is the only candidate, of whatever kind, still not one in use.
 * Returns the count, or -errno. */
must_check int disk_list(
    const char *only, int wait_ms, struct disk *out, size_t max, struct err *e);

/* Erases the signatures of everything that was on the disk, its partitions included, writes the
 * partition table, waits for the partitions' device nodes and erases stale signatures there. */
must_check int disk_partition(const struct plan *p, struct err *e);

/* Makes the file systems. */
must_check int disk_format(const struct plan *p, struct err *e);

/* Random bytes, for plan_assign_uuids(). */
must_check int disk_random(void *buf, size_t len, struct err *e);

#endif
