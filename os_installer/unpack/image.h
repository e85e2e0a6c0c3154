/* unpack_image.h - decompresses a whole disk image (raw.zst, raw.gz, raw.xz) onto a disk. */
#ifndef OS_INSTALLER_UNPACK_IMAGE_H
#define OS_INSTALLER_UNPACK_IMAGE_H

#include "lib/err.h"
#include "os_installer/disk/image.h"
#include "os_installer/unpack/archive.h"

/* Reads the source to its very end. 0 when the disk holds the whole image, synced, but for the edges
 * that disk_image.h holds back. After a failure the process has to end, see decompress.h. */
must_check int unpack_image(const struct byte_source *source, struct disk_image *image,
    struct unpack_counters *counters, struct err *e);

#endif
