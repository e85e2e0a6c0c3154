/* unpack.h - streams an image's file over HTTP to where it belongs: verified download in this
 * process, decompression and unpacking in a child that has given up all powers an archive does not
 * need. Nothing is staged in memory or on disk beyond three chunks.
 */
#ifndef OS_INSTALLER_UNPACK_UNPACK_H
#define OS_INSTALLER_UNPACK_UNPACK_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/fetch/fetch.h"
#include "lib/image/manifest.h"
#include "os_installer/unpack/decompress.h"

/* Written by the unpacking side, read by another process. */
struct unpack_counters {
	_Atomic uint64_t bytes;
	_Atomic uint64_t entries;
	_Atomic uint64_t dropped; /* device nodes and sockets */
};

/* Where it goes: archive.h, image.h. */
struct unpack_target {
	const char *root; /* the child is chrooted into it, so nothing in an archive reaches
			     outside; or NULL */
	/* Reads the compressed file to its very end. After a failure the process has to end, see
	 * decompress.h. */
	int (*write)(void *ctx, const struct byte_source *source, const struct image_contents *m,
	    struct unpack_counters *counters, struct err *e);
	void *ctx;
};

struct unpack_progress {
	uint64_t received_bytes; /* of the compressed file */
	uint64_t unpacked_bytes;
	uint64_t entries;
	uint64_t dropped;
	struct fetch_stats fetch;
};

/* `tick` (may be NULL) is called a few times a second, also while the disk is the slower part.
 * Returns 0 when every byte was verified and the target has taken all of it. */
must_check int unpack_run(const char *url, const struct image_contents *m,
    const struct unpack_target *t, void (*tick)(void *ctx, const struct unpack_progress *p),
    void *ctx, struct unpack_progress *progress, struct err *e);

#endif
