/* backup.h - disks of machines on their way into images: slices as they come, one file each order,
 * and the images that were made of them.
 *
 *   <dir>/parts/<order>/          disk.raw.zst, and `sums`, the slices' sums
 *   <dir>/images/<name>/<arch>/   as images/<distro>/<arch>/, never written again
 *
 * A slice counts once its sum has been found right and is in `sums`. Of the folder's file system so
 * much stays free that the state file can be written. All functions are safe in every thread; they
 * wait for the disk.
 */
#ifndef BOOT_HANDLER_SOURCES_BACKUP_H
#define BOOT_HANDLER_SOURCES_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/image/manifest.h"

#define BACKUP_SLICE_BYTES IMAGE_CHUNK_BYTES
#define BACKUP_SLICES_MAX 60000U
#define BACKUP_RESERVE_BYTES ((uint64_t)128 << 20)

/* Of orders that have ended and may be resumed. */
#define BACKUP_KEPT_MS ((int64_t)3 * 24 * 3600 * 1000)
#define BACKUP_KEPT_MAX 64

struct backups;

enum backup_use { BACKUP_OVER, BACKUP_MAY_RESUME, BACKUP_IN_USE };

/* Makes the folders where they are missing. `images` are the user's, whose names are taken;
 * borrowed. use() tells of an order, in any thread. */
must_check int backups_new(const char *dir, const char *images,
    enum backup_use (*use)(void *ctx, int64_t order), void *ctx, struct backups **out,
    struct err *e);
void backups_free(struct backups *b); /* NULL is allowed */

/* Where the images that were made are, as images/: the store's; NULL where that is NULL. */
const char *backups_images(const struct backups *b);

/* A sum a line, of the slices that are there; freed by the caller. One that was begun before this
 * program started is read through. */
must_check int backups_sums(struct backups *b, int64_t order, char **out, struct err *e);

struct backup_writer;
/* Slice `number` comes: what is there from it on is forgotten. -ESTALE: one before it is missing;
 * -EDQUOT: the disk is full, and all of the order's slices are gone. */
must_check int backups_slice_begin(struct backups *b, int64_t order, uint64_t number,
    const struct digest *sum, struct backup_writer **out, struct err *e);
/* Its next bytes. */
must_check int backups_slice_write(
    struct backup_writer *w, const void *data, size_t len, struct err *e);
/* That were all: -EBADMSG when their sum is another. */
must_check int backups_slice_end(struct backup_writer *w, struct err *e);
void backups_slice_free(
    struct backup_writer *w); /* also of one that did not end; NULL is allowed */

struct backup_image {
	const char *name, *machine;
	enum vm_arch arch;
	uint64_t disk_bytes, file_bytes, slices; /* as the machine says */
	uint32_t sector_bytes;
	/* The image whose kernel, modules and abilities it gets, and its folder. */
	const struct image_manifest *like;
	const char *like_name, *like_folder;
};

/* Whether an image may be called so: -EBUSY with the sentence, also when there is one. */
must_check int backups_name_free(
    struct backups *b, const char *name, enum vm_arch arch, struct err *e);
/* All slices are there: makes the image. Again is as good as once. */
must_check int backups_finish(
    struct backups *b, int64_t order, const struct backup_image *what, struct err *e);

/* Whether there is an image of that name that was made of this order's slices. */
bool backups_made(struct backups *b, int64_t order, const char *name);

/* An image that was made goes, of all architectures. -ENOENT: there is none. */
must_check int backups_forget(struct backups *b, const char *name, struct err *e);

/* The order has ended. What it has sent stays until it is done, if it may be resumed: see
 * backups_sweep(). */
void backups_ended(struct backups *b, int64_t order, bool done);
/* What is there of an order goes. */
void backups_drop(struct backups *b, int64_t order);
/* Drops what is of orders that are over, and of those that may be resumed, the oldest first, what
 * nothing was sent of for BACKUP_KEPT_MS, what are more than BACKUP_KEPT_MAX, and what takes the
 * room: so much, and the reserve, is to be free. */
void backups_sweep(struct backups *b, uint64_t room_bytes, int64_t now_ms);

#endif
