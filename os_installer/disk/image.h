/* image.h - writes a whole disk image onto a disk. Besides device.c the only module that opens
 * a block device for writing.
 *
 * The first and the last MiB - partition tables, boot code - are held back in memory until
 * disk_image_commit(): a disk that is not complete looks empty to every firmware. Everything the
 * image says is zero reads as zero afterwards, whatever was there. Head and tail are shared with
 * processes forked after disk_image_open().
 */
#ifndef OS_INSTALLER_DISK_IMAGE_H
#define OS_INSTALLER_DISK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/plan/plan.h"
#include "os_installer/disk/image_table.h"

struct disk_image;

/* Takes the disk for itself, erases both its ends and makes it forget its partitions; then, where
 * the disk can do that by itself, erases all of it. An image of DISK_IMAGE_UNKNOWN bytes may be as
 * large as the disk. */
#define DISK_IMAGE_UNKNOWN 0
must_check int disk_image_open(
    const struct disk *d, uint64_t image_bytes, struct disk_image **out, struct err *e);

/* The image's next bytes; `data` NULL: zeros. -ENOTSUP when its partition table is made for other
 * sectors than the disk has. */
must_check int disk_image_write(struct disk_image *i, const void *data, size_t len, struct err *e);

/* After the last of them: -EBADMSG when there were fewer than image_bytes, or too few for a disk.
 * Synced on success. */
must_check int disk_image_finish(struct disk_image *i, struct err *e);

/* What is held back; may be changed before it is committed. */
uint8_t *disk_image_head(struct disk_image *i);
uint8_t *disk_image_tail(struct disk_image *i);

/* Zeros a range, for what of the image has lost its meaning. */
must_check int disk_image_erase(struct disk_image *i, uint64_t offset, uint64_t len, struct err *e);

/* Zeros the image's own backup table, which would else stay in the middle of a larger disk. `t` is
 * the image's, not grown. */
must_check int disk_image_old_tail_erase(
    struct disk_image *i, const struct table *t, struct err *e);

/* Gives the disk free, so that its partitions can be mounted; no more writing but the commit. */
void disk_image_release(struct disk_image *i);

/* Names a partition to the kernel, which cannot read the table yet, and waits for its node. */
must_check int disk_image_show(struct disk_image *i, const struct table_partition *p,
    char path[DISK_PATH_SIZE], struct err *e);

/* Makes the disk bootable: tail, head without its first sectors, those; each synced. Nothing of it
 * may be mounted. */
must_check int disk_image_commit(struct disk_image *i, struct err *e);

void disk_image_close(struct disk_image *i);

#endif
