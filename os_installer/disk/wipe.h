/* wipe.h - makes a disk's old content unreadable: forgotten by the disk, or written over. What
 * disk_erase() does comes first: a disk that was left half-way boots nothing.
 */
#ifndef OS_INSTALLER_DISK_WIPE_H
#define OS_INSTALLER_DISK_WIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/definition/disk_choice.h"

typedef void (*wipe_tick)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);

/* Tells the disk that none of it is used any more. What it reads as then is its own business.
 * -ENOTSUP for a disk that takes no such word; nothing is written then. */
must_check int disk_wipe_discard(const struct disk *d, wipe_tick tick, void *ctx, struct err *e);

/* Writes zeros over every block, past all caches. */
must_check int disk_wipe_blocks(const struct disk *d, wipe_tick tick, void *ctx, struct err *e);

/* Whether zeros are read at `count` places all over the disk. -errno when one cannot be read. */
must_check int disk_reads_zero(const struct disk *d, unsigned count, bool *zero, struct err *e);

#endif
