/* image_install.h - installs a whole disk image: what the phases do when the configuration's rootfs
 * is no archive but a disk. The image's own layout, boot loader, host name and fstab stay; its last
 * partition grows to the disk's end, and cloud-init's seed is put in.
 */
#ifndef OS_INSTALLER_METHOD_DISK_IMAGE_H
#define OS_INSTALLER_METHOD_DISK_IMAGE_H

#include <stdbool.h>

#include "lib/err.h"
#include "os_installer/config.h"
#include "os_installer/disk/image.h"
#include "os_installer/system/mounts.h"
#include "os_installer/system/seed.h"

struct image_install {
	struct disk_image *disk;
	uint64_t disk_bytes, image_bytes;
	struct table table;
	char path[TABLE_PARTITIONS_MAX][DISK_PATH_SIZE]; /* as in table; "" when not shown */
};

/* Takes the disk and erases what is on it. The disk image is written by rootfs_write_image(). */
must_check int image_install_open(
    const struct disk *d, const struct config *c, struct image_install **out, struct err *e);

/* Grows partition and file system and places the seed (NULL: none). Leaves the root file system
 * mounted at `directory`, its tree in *tree (tree.h). */
must_check int image_install_configure(struct image_install *in, struct mounts *mounts,
    const char *directory, const struct seed *seed, int *tree, struct err *e);

/* Makes the disk bootable, and the firmware know it. Nothing of it may be mounted any more. */
must_check int image_install_activate(struct image_install *in, const struct config *c, bool nvram,
    struct err *e);

void image_install_free(struct image_install *in); /* NULL is allowed */

#endif
