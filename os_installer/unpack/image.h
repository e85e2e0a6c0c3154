/* image.h - decompresses a whole disk image (raw.zst, raw.gz, raw.xz) onto a disk. */
#ifndef OS_INSTALLER_UNPACK_IMAGE_H
#define OS_INSTALLER_UNPACK_IMAGE_H

#include "lib/base/err.h"
#include "os_installer/unpack/unpack.h"

/* An unpack_target's `write`; its ctx is a struct disk_image. 0 when the disk holds the whole
 * image, synced, but for the edges that disk/image.h holds back. */
must_check int unpack_image(void *disk_image, const struct byte_source *source,
    const struct image_contents *m, struct unpack_counters *counters, struct err *e);

#endif
