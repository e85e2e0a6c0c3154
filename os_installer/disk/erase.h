/* erase.h - so that nothing that was on a disk comes back: erases the places where any tool
 * looks for what a device holds. Opens nothing; the caller has the device for itself.
 */
#ifndef OS_INSTALLER_DISK_ERASE_H
#define OS_INSTALLER_DISK_ERASE_H

#include <stdint.h>

#include "lib/base/err.h"

/* Zeros the first and last DISK_EDGE_BYTES of the `len` bytes at `offset`, all of it when that is
 * less than both, and btrfs' copies of its superblock between them. What is known to lie there:
 *
 *   start  partition tables, boot sectors, file systems (UDF's anchor up to 1 MiB, VMFS at 1 and
 *          2 MiB, bcachefs' copy at 2 MiB), md 1.1 and 1.2, LVM, bcache, two ZFS labels, LUKS2's
 *          second header (up to 4 MiB)
 *   end    the GPT's copy, md 0.90, 1.0 and DDF, two ZFS labels, DRBD, LVM's second area, nilfs2's
 *          and bcachefs' copies, boards' RAIDs (Promise's 1.5 MiB from the end)
 *
 * `path` is for messages. */
#define DISK_EDGE_BYTES (8U << 20)
must_check int disk_erase_edges(
    int fd, const char *path, uint64_t offset, uint64_t len, struct err *e);

/* Erases every signature libblkid knows on the whole device. */
must_check int disk_erase_signatures(int fd, const char *path, struct err *e);

#endif
