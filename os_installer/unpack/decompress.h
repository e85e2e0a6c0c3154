/* decompress.h - decompresses a stream in a thread of its own, so that a second processor works
 * while the caller writes what came out. zstd, gzip, xz or no compression at all, told by the first
 * bytes; libarchive does all but zstd. Holds two MiB of decompressed bytes at most.
 */
#ifndef OS_INSTALLER_UNPACK_DECOMPRESS_H
#define OS_INSTALLER_UNPACK_DECOMPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* A stream of bytes. `next` returns 1 with bytes that stay valid until it is called again, 0 at the
 * end, -errno. */
struct byte_source {
	void *ctx;
	int (*next)(void *ctx, const uint8_t **data, uint32_t *len, struct err *e);
};

struct decompressor;

/* From now on `compressed` belongs to the decompressor's thread. */
must_check int decompress_start(
    const struct byte_source *compressed, struct decompressor **out, struct err *e);

/* The `next` of a byte_source whose ctx is the decompressor. -EBADMSG when what came is no valid
 * compressed data, -ENOMEM when unpacking it would take too much memory, what `compressed`
 * returned. */
must_check int decompress_next(void *d, const uint8_t **data, uint32_t *len, struct err *e);

/* Whether what decompress_next() gave is known to be nothing but zeros; false says nothing. */
bool decompress_is_zeros(const uint8_t *data);

/* Wants no more: reads what is left of `compressed` to its very end without decompressing it, and
 * frees the decompressor. Returns what `compressed` returned at last.
 *
 * After a failure of the caller's own nothing is to be called: the thread may wait for bytes that
 * never come, and it and its memory end with the process. */
must_check int decompress_finish(struct decompressor *d, struct err *e);

#endif
