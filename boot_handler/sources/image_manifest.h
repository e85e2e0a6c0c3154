/* image_manifest.h - what boot_handler reads in an image's manifest.json. Pure. */
#ifndef BOOT_HANDLER_SOURCES_IMAGE_MANIFEST_H
#define BOOT_HANDLER_SOURCES_IMAGE_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/definition/vm.h"
#include "lib/image/manifest.h"

/* What of a manifest the installer's configuration needs. */
struct image {
	char *kernel_version;
	char *rootfs_file;
	int64_t kernel_bytes;
	int64_t modules_bytes;
	json_t *rootfs;  /* the manifest's object as it is */
	bool cloud_init; /* the manifest says that the rootfs has it */
	json_t *adopted; /* of which tarball it was made (lib/image/adopted.h); NULL: the rootfs is
			    beside it */
};

/* Parses a manifest. `distro` and `arch` must be its own. -EINVAL with one sentence, `line` and
 * `column` (from 1; 0: not in the text) telling where. Pure. */
must_check int image_parse(const char *text, size_t len, const char *distro, enum vm_arch arch,
    struct image **out, int *line, int *column, struct err *e);
void image_free(struct image *image); /* NULL is allowed */

static inline void cleanup_image(struct image **image)
{
	image_free(*image);
}
#define _cleanup_image_ __attribute__((cleanup(cleanup_image)))

#endif
