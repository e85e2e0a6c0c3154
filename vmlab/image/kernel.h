/* kernel.h - writes what a machine boots by into an image's folder, out of a tarball that was read:
 * its kernel, and the drivers that an installer can need as an archive for the initramfs.
 */
#ifndef VMLAB_IMAGE_KERNEL_H
#define VMLAB_IMAGE_KERNEL_H

#include "lib/image/manifest.h"
#include "vmlab/image/scan.h"

/* A file that was put aside, as `name`, which out->file then borrows. */
must_check int image_member_write(const struct image_scan *scan, const struct image_member *m,
    int dirfd, const char *name, struct image_contents *out, struct err *e);

/* IMAGE_MODULES_FILE, with the drivers of that version; compressed by so many threads. */
must_check int image_modules_write(const struct image_scan *scan, const char *version, int dirfd,
    int workers, struct image_contents *out, struct err *e);

#endif
