/* rootfs.h - streams a tar archive over HTTP onto a mounted file system, or a disk image onto a disk: verified download in this
 * process, decompression and unpacking in a child that is chrooted into the target, so nothing in
 * the archive can reach outside of it, and that has given up all powers an archive does not need.
 *
 * Kept: numeric owners, modes, times, extended attributes, ACLs, file capabilities, hard links,
 * sparse files, FIFOs. Dropped: device nodes and sockets. An archive
 * with more bytes or entries than its manifest says fails. Nothing is staged in memory or on disk
 * beyond three chunks.
 */
#ifndef OS_INSTALLER_UNPACK_UNPACK_H
#define OS_INSTALLER_UNPACK_UNPACK_H

#include <stdint.h>

#include "lib/err.h"
#include "os_installer/disk/image.h"
#include "os_installer/fetch/fetch.h"
#include "os_installer/fetch/manifest.h"

struct rootfs_progress {
	uint64_t received_bytes; /* of the compressed file */
	uint64_t unpacked_bytes;
	uint64_t entries;
	uint64_t dropped; /* device nodes and sockets */
	struct fetch_stats fetch;
};

/* As rootfs_install(), for a whole disk image: onto a disk opened by disk_image_open(). What is
 * written is synced. */
must_check int rootfs_write_image(const char *url, const struct manifest *m,
    struct disk_image *image, void (*tick)(void *ctx, const struct rootfs_progress *p), void *ctx,
    struct rootfs_progress *progress, struct err *e);

/* Unpacks `url` into the directory `target`. `tick` (may be NULL) is called a few times a second,
 * also while the disk is the slower part.
 * Returns 0 when every byte was verified and everything unpacked and closed; nothing is synced. */
must_check int rootfs_install(const char *url, const struct manifest *m, const char *target,
    void (*tick)(void *ctx, const struct rootfs_progress *p), void *ctx,
    struct rootfs_progress *progress, struct err *e);

#endif
