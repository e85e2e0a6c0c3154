/* manifest.h - what images/<distro>/<arch>/manifest.json says about a rootfs archive: how long it
 * is, what it unpacks to, and the SHA-256 of the whole and of each fixed-size slice ("chunk") of
 * the compressed file. Does no I/O.
 */
#ifndef OS_INSTALLER_FETCH_MANIFEST_H
#define OS_INSTALLER_FETCH_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/image/manifest.h"
#include "os_installer/fetch/digest.h"

#define MANIFEST_CHUNK_BYTES_MIN (64U << 10)
#define MANIFEST_CHUNK_BYTES_MAX (8U << 20) /* three of them are held in memory */

struct manifest {
	uint64_t size_bytes; /* of the compressed file */
	uint64_t
	    unpacked_bytes; /* sum of the regular files' sizes; of a raw format, the disk's size */
	uint64_t entries;
	uint32_t chunk_bytes;
	size_t chunk_count;
	struct digest *chunks;
	struct digest whole;
	char format[16]; /* "tar.zst", "tar.gz", "tar.xz", "raw.zst", "raw.gz", "raw.xz" */
};

/* Reads a manifest's "rootfs" object. `out` is cleared first and owns memory afterwards, also when
 * parsing failed: manifest_clear() releases it. */
must_check int manifest_parse(const json_t *rootfs, struct manifest *out, struct err *e);
void manifest_clear(struct manifest *m);

/* Whether it is a whole disk image instead of a root file system. */
bool manifest_is_disk(const struct manifest *m);

/* Length of chunk i: chunk_bytes, or what is left for the last one. */
uint32_t manifest_chunk_length(const struct manifest *m, size_t i);

#endif
