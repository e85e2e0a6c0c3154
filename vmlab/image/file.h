/* file.h - a file that is written once, front to back, with its SHA-256 computed on the way,
 * optionally through zstd.
 *
 * Single-threaded; zstd may use threads of its own.
 */
#ifndef VMLAB_IMAGE_FILE_H
#define VMLAB_IMAGE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/image/manifest.h"

struct image_file;

/* Creates `name` (must not exist, mode 0644) in dirfd. zstd_level 0 stores the bytes as they come;
 * otherwise they are compressed, by `threads` threads when zstd can. *out is freed by
 * image_file_free(), which drops an unfinished file's data without a sound. */
must_check int image_file_create(int dirfd, const char *name, int zstd_level, int threads,
    struct image_file **out, struct err *e);

/* The same for bytes that are kept elsewhere: only their digest is made. */
must_check int image_file_digest_only(struct image_file **out, struct err *e);

must_check int image_file_write(struct image_file *f, const void *data, size_t len, struct err *e);

/* Flushes, fsyncs, closes. On success *out says what it holds as stored, in slices of
 * IMAGE_CHUNK_BYTES (image_contents_clear() frees it), and nothing else. */
must_check int image_file_finish(struct image_file *f, struct image_contents *out, struct err *e);

void image_file_free(struct image_file *f);

static inline void cleanup_image_file(struct image_file **f)
{
	image_file_free(*f);
}
#define _cleanup_image_file_ __attribute__((cleanup(cleanup_image_file)))

#endif
