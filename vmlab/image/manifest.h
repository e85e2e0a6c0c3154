/* manifest.h - manifest.json of an image in its folder, and what a rootfs brings for it. */
#ifndef VMLAB_IMAGE_MANIFEST_H
#define VMLAB_IMAGE_MANIFEST_H

#include <stdbool.h>

#include "lib/image/manifest.h"
#include "vmlab/image/scan.h"

/* Writes manifest.json into dirfd, as of now. `scan`: of the rootfs; NULL: it is a disk. */
must_check int image_manifest_write(
    const struct image_manifest *m, const struct image_scan *scan, int dirfd, struct err *e);

/* Reads <images_dir>/<name>/<arch>/manifest.json, however much it says; image_manifest_clear() in
 * any case. -ENOENT when there is no such image. */
must_check int image_manifest_load(const char *images_dir, const char *name, enum vm_arch arch,
    struct image_manifest *out, struct err *e);

#endif
