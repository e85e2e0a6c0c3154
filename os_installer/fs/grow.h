/* grow.h - file systems of a disk image: what they are, and making one as large as its partition.
 * All by the kernel, while mounted: no program of the file system's own is needed.
 */
#ifndef OS_INSTALLER_FS_GROW_H
#define OS_INSTALLER_FS_GROW_H

#include <stdint.h>

#include "lib/err.h"

#define GROW_UNKNOWN 1

/* The kernel's name of the file system on a device ("ext4", "xfs", "btrfs", "vfat"). GROW_UNKNOWN
 * when there is none. */
must_check int grow_probe(const char *device, char fs[32], struct err *e);

/* Makes the mounted file system take `bytes`. GROW_UNKNOWN for one that cannot be grown this way. */
must_check int grow_mounted(const char *fs, const char *where, uint64_t bytes, struct err *e);

#endif
