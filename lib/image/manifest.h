/* manifest.h - the files of an image's folder, images/<distro>/<arch>/, and what several readers
 * ask of its manifest. Pure.
 */
#ifndef LIB_IMAGE_MANIFEST_H
#define LIB_IMAGE_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define IMAGE_MANIFEST_FILE "manifest.json"
#define IMAGE_KERNEL_FILE "vmlinuz"
#define IMAGE_MODULES_FILE "modules.cpio.zst"

/* About 240 GiB of image: every 4 MiB have a digest in it. */
#define IMAGE_MANIFEST_MAX_BYTES (4U << 20)

/* For lib/base/words.h: what "format" of its rootfs may be. */
const char *image_format_word(size_t i);

/* Whether such a rootfs is a whole disk. NULL is allowed. */
bool image_format_is_disk(const char *format);

/* Whether its "provides" has that word. */
bool image_provides(const json_t *manifest, const char *word);

#endif
