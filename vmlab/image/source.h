/* source.h - a tarball that is read once, from a file or a pipe: its bytes as they are (for
 * keeping them) and decompressed (for looking into it).
 *
 * libarchive's tar reader takes a file that was cut short or damaged for a good one in several
 * cases, so this module checks by itself: gzip's CRC and length, tar's end-of-archive marker; zstd
 * and xz check their own sums. Single-threaded.
 */
#ifndef VMLAB_IMAGE_SOURCE_H
#define VMLAB_IMAGE_SOURCE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* IMAGE_FORMAT_OTHER: plain, or a compression that an installer does not know. */
enum image_format { IMAGE_FORMAT_OTHER, IMAGE_FORMAT_ZST, IMAGE_FORMAT_GZ, IMAGE_FORMAT_XZ };

struct image_source;

/* Reads the first bytes of fd (borrowed, must outlive the source) and looks what they are. `cancel`
 * may be NULL; when it turns non-zero, reading fails with -EINTR. */
must_check int image_source_open(
    int fd, const volatile sig_atomic_t *cancel, struct image_source **out, struct err *e);
void image_source_free(struct image_source *s);

enum image_format image_source_format(const struct image_source *s);

/* "tar.zst", "tar.gz", "tar.xz"; "tar" for others. */
const char *image_format_suffix(enum image_format format);

/* What it holds is no tarball but a disk: no end mark of tar's is looked for. */
void image_source_set_disk(struct image_source *s);

/* From now on `fn` sees each raw byte, in order, including those already looked at. */
void image_source_tap(struct image_source *s,
    int (*fn)(void *ctx, const void *data, size_t len, struct err *e), void *ctx);

/* Next decompressed bytes, borrowed until the next call. Returns how many, 0 at the end, -errno. */
must_check ssize_t image_source_read(struct image_source *s, const void **data, struct err *e);

/* To be called after image_source_read() returned 0: reads what is left of the raw bytes and tells
 * whether the tarball was whole: 0 or -EBADMSG. */
must_check int image_source_finish(struct image_source *s, struct err *e);

uint64_t image_source_raw_bytes(const struct image_source *s); /* read so far */

static inline void cleanup_image_source(struct image_source **s)
{
	image_source_free(*s);
}
#define _cleanup_image_source_ __attribute__((cleanup(cleanup_image_source)))

#endif
