/* cpio.h - a cpio archive as the kernel unpacks into its initramfs: format "newc", see
 * Documentation/driver-api/early-userspace/buffer-format.rst of the kernel; libarchive writes it.
 *
 * All entries belong to root and have time 0, so the same input gives the same bytes.
 */
#ifndef VMLAB_IMAGE_CPIO_H
#define VMLAB_IMAGE_CPIO_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "vmlab/image/file.h"

struct archive;

struct image_cpio {
	struct image_file *file; /* borrowed */
	struct archive *archive;
	struct err err; /* of writing the file */
	uint32_t inode;
	char *last_path;
};

/* *c is all zero before, stays where it is, and is freed by image_cpio_clear(). */
must_check int image_cpio_open(struct image_cpio *c, struct image_file *f, struct err *e);

/* Adds a regular file, mode 0644, and before it the directories on its way that the entry before
 * did not lie in: add files in path order. */
must_check int image_cpio_add(
    struct image_cpio *c, const char *path, const void *data, size_t len, struct err *e);

/* Writes the trailer. The image_file remains to be finished. */
must_check int image_cpio_end(struct image_cpio *c, struct err *e);

/* Before the image_file's end: one that was not ended is ended now, whatever comes of it. */
void image_cpio_clear(struct image_cpio *c);

#endif
