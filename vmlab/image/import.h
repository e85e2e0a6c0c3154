/* import.h - makes an image out of a rootfs tarball that is read once, from a file or a pipe,
 * without root and without unpacking it.
 *
 * A tarball that comes as .zst, .gz or .xz is kept byte by byte; any other is compressed with zstd.
 * Everything is written to a hidden directory beside the target and renamed into place at the end:
 * until then an older image of that name stays as it is, and a failure leaves nothing behind.
 */
#ifndef VMLAB_IMAGE_IMPORT_H
#define VMLAB_IMAGE_IMPORT_H

#include <signal.h>
#include <stdint.h>

#include "lib/image/adopted.h"
#include "lib/base/err.h"
#include "lib/definition/vm.h"
#include "vmlab/image/progress.h"

struct image_import {
	const char *images_dir; /* created when missing */
	const char *name;
	enum vm_arch arch;
	int fd;              /* the tarball or disk image; borrowed */
	uint64_t size_bytes; /* its size, 0 when unknown (a pipe) */
	const char *reading; /* what the progress line says while reading; NULL: "reading rootfs" */
	/* The tarball is of a folder of images and stays there: it is read and digested, not
	 * copied. NULL: it goes into the image. */
	const struct adopted *adopt;
	struct image_progress *progress;
	const volatile sig_atomic_t *cancel; /* non-zero: give up; may be NULL */

	/* Called when the tarball was read and before the image is put into place; non-zero stops
	 * it. How whoever writes the other end of a pipe gets to say that it failed. May be NULL.
	 */
	int (*confirm)(void *ctx, struct err *e);
	void *ctx;
};

/* Prints warnings (what the rootfs lacks for being installed) and a summary to stderr. */
must_check int image_import(const struct image_import *in, struct err *e);

#endif
