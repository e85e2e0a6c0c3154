/* disk.h - carries out a plan on a disk.
 *
 * Writes by device.h. File systems are fs/fs.h's.
 */
#ifndef OS_INSTALLER_DISK_DISK_H
#define OS_INSTALLER_DISK_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/plan/plan.h"
#include "os_installer/disk/marker.h"

/* Erases what tells of anything that was on the disk and on its partitions (erase.h), the table's
 * copy and the marker included; the kernel forgets its partitions. */
must_check int disk_erase(const struct disk *d, struct err *e);

/* Erases what tells of anything that was on the disk, its partitions and the places of the new ones
 * included (erase.h), writes the partition table, waits for the partitions' device nodes and erases
 * stale signatures there. `fs_type` tells the GPT type of a partition with a file system or swap.
 */
typedef const char *(*disk_fs_type)(const struct plan_partition *part);
must_check int disk_partition(const struct plan *p, disk_fs_type fs_type, struct err *e);

/* Where it is mounted, or what it is for: for messages. */
const char *disk_place(const struct plan_partition *part);

/* Makes the disk bootable by a BIOS: `core` (a multiple of 512 bytes) into the BIOS boot partition,
 * then, when that is on the disk, the code of `boot` (bootloader/grub_core.h) into its first
 * sector. Nothing of the disk may be mounted any more. */
must_check int disk_boot_code(const struct plan *p, const uint8_t boot[512], const uint8_t *core,
    size_t core_len, struct err *e);

/* Writes the sector at MARKER_OFFSET (marker.h), or erases it when `sector` is NULL; synced.
 * Nothing of the disk may be mounted. */
must_check int disk_marker_write(
    const struct disk *d, const uint8_t sector[MARKER_BYTES], struct err *e);

/* Random bytes, for plan_assign_uuids(). */
must_check int disk_random(void *buf, size_t len, struct err *e);

#endif
