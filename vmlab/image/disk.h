/* disk.h - makes an image out of a whole disk: raw, compressed raw, or qcow2, which is
 * converted first. The disk keeps its own layout and boot loader; kernel and drivers for the
 * installer come from an image that is already there.
 */
#ifndef VMLAB_IMAGE_DISK_H
#define VMLAB_IMAGE_DISK_H

#include "lib/base/err.h"
#include "vmlab/image/file.h"
#include "vmlab/image/import.h"

enum image_kind {
	IMAGE_KIND_TARBALL, /* or anything that is no disk */
	IMAGE_KIND_RAW,     /* as it is, or as .zst, .gz, .xz, .bz2 */
	IMAGE_KIND_QCOW2,
};

/* Tells by the file's first bytes what it is. A pipe is always a tarball: it cannot be read twice.
 */
must_check int image_kind_look(int fd, enum image_kind *out, struct err *e);

struct image_disk {
	struct image_import in; /* without confirm */
	enum image_kind kind;   /* no tarball */
	const char *path;       /* of the file, for qemu-img */
	const char *vm_image; /* a container image that has qemu-img, where this machine has not */
	const char
	    *kernel_from; /* image whose kernel the installer runs on; NULL: the newest kernel */
};

/* A disk that comes as .zst, .gz or .xz is kept byte by byte; any other is compressed with zstd. */
must_check int image_disk_import(const struct image_disk *d, struct err *e);

/* ---- disk_kernel.c ---- */

struct image_kernel {
	char *image; /* where it came from */
	char *version;
	struct image_contents kernel, modules;
};

/* Copies kernel and modules of image `from` (NULL: the one of that architecture with the newest
 * kernel) into dirfd, and checks them against that image's manifest. -ENOENT with what to do when
 * there is none. */
must_check int image_kernel_copy(const char *images_dir, const char *from, enum vm_arch arch,
    int dirfd, struct image_kernel *out, struct err *e);
void image_kernel_clear(struct image_kernel *k);

#endif
