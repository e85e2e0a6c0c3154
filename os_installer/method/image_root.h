/* image_root.h - the root file system among the partitions of a disk image that was written but for
 * its edges (disk/image.h). */
#ifndef OS_INSTALLER_METHOD_IMAGE_ROOT_H
#define OS_INSTALLER_METHOD_IMAGE_ROOT_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "os_installer/disk/image.h"
#include "os_installer/system/mounts.h"

struct image_root {
	struct disk_image *disk; /* released */
	struct table *table;
	bool grow; /* the last partition's file system grows with it */
	char path[TABLE_PARTITIONS_MAX][DISK_PATH_SIZE]; /* as in table */
};

/* Names the partitions to the kernel, then mounts the root at `directory` and opens its tree
 * (system/tree.h). -ENOENT when there is none; then nothing is mounted. */
must_check int image_root_mount(
    struct image_root *r, struct mounts *m, const char *directory, int *tree, struct err *e);

#endif
