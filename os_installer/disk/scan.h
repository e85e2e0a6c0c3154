/* scan.h - the disks this machine has, as /sys tells them. Opens them for reading at most. */
#ifndef OS_INSTALLER_DISK_SCAN_H
#define OS_INSTALLER_DISK_SCAN_H

#include <stddef.h>

#include "lib/definition/disk_choice.h"
#include "lib/base/err.h"

/* Lists the disks of the machine, at most `max`: virtio, SCSI, SATA, NVMe, MMC; no CD-ROM, floppy,
 * loop, ram or mapped device. Those that are removable, read-only or in use (mounted, held by
 * another device) say so in `excluded`. Waits up to wait_ms for the first that an install may take.
 * `only` (may be NULL) is a path the user named: then it is the only one, of whatever kind, and it
 * is an error when it is in use. Returns the count, or -errno. */
must_check int disk_list(
    const char *only, int wait_ms, struct disk *out, size_t max, struct err *e);

/* All of these disks, at most `max`, by name, as the /sys in the folder `root` ("": this machine's)
 * tells them; whether one may be installed on is not asked. Opens no disk. Returns the count. */
size_t disk_list_all(const char *root, struct disk *out, size_t max);

/* Reads /sys/block/<name>/<attribute>, trimmed; "" when there is none. Returns buf. */
const char *disk_sys_read(const char *name, const char *attribute, char *buf, size_t size);
/* The same as a number; 0 when there is none. */
unsigned long long disk_sys_number(const char *name, const char *attribute);

#endif
