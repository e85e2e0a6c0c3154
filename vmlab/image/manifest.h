/* manifest.h - manifest.json of an image: what files it has, how large, with which sums. */
#ifndef VMLAB_IMAGE_MANIFEST_H
#define VMLAB_IMAGE_MANIFEST_H

#include <jansson.h>
#include <time.h>

#include "lib/image/adopted.h"
#include "lib/base/err.h"
#include "lib/definition/vm.h"
#include "lib/image/manifest.h"
#include "vmlab/image/file.h"
#include "vmlab/image/scan.h"

/* All pointers borrowed. */
struct image_manifest {
	const char *distro;
	enum vm_arch arch;
	time_t created;
	const char *os_name; /* NULL: unknown */
	const char *kernel_version;
	bool has_initramfs;
	const char *rootfs_format; /* "tar.zst", "raw.zst" */
	const char *kernel_from;   /* disk image: the image whose kernel the installer runs on */
	uint64_t disk_bytes;       /* disk image: its size, unpacked; else 0 */
	const struct image_scan *scan; /* NULL for a disk image */
	const struct adopted
	    *adopted; /* the tarball that is used where it lies; NULL: it is in the image */
	const struct image_digest *rootfs;
	const struct image_digest *kernel;
	const struct image_digest *modules;
};

/* The document; a new reference, NULL only when out of memory. */
json_t *image_manifest_json(const struct image_manifest *m);

/* Writes manifest.json into dirfd. */
must_check int image_manifest_write(const struct image_manifest *m, int dirfd, struct err *e);

/* Reads <images_dir>/<name>/<arch>/manifest.json; *out is a new reference. -ENOENT when there is no
 * such image. */
must_check int image_manifest_load(
    const char *images_dir, const char *name, const char *arch, json_t **out, struct err *e);

/* True for text that may be an image's name: [a-z0-9][a-z0-9._-]*, at most 64 long. */
bool image_name_valid(const char *name);

#endif
