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

#define IMAGE_CHUNK_BYTES (4 * 1024 * 1024)
#define IMAGE_SHA256_TEXT_SIZE 65

/* What a finished file holds, as stored (after compression). */
struct image_digest {
	uint64_t size_bytes;
	char sha256[IMAGE_SHA256_TEXT_SIZE];
	char (
	    *chunks)[IMAGE_SHA256_TEXT_SIZE]; /* one for each IMAGE_CHUNK_BYTES, last one shorter */
	size_t chunk_count;
};

void image_digest_clear(struct image_digest *d);

struct image_file;

/* Creates `name` (must not exist, mode 0644) in dirfd. zstd_level 0 stores the bytes as they come;
 * otherwise they are compressed, by `threads` threads when zstd can. *out is freed by
 * image_file_free(), which drops an unfinished file's data without a sound. */
must_check int image_file_create(int dirfd, const char *name, int zstd_level, int threads,
    struct image_file **out, struct err *e);

/* The same for bytes that are kept elsewhere: only their digest is made. */
must_check int image_file_digest_only(struct image_file **out, struct err *e);

must_check int image_file_write(struct image_file *f, const void *data, size_t len, struct err *e);

/* Flushes, fsyncs, closes. On success *digest is filled (image_digest_clear() frees it). */
must_check int image_file_finish(struct image_file *f, struct image_digest *digest, struct err *e);

void image_file_free(struct image_file *f);

static inline void cleanup_image_file(struct image_file **f)
{
	image_file_free(*f);
}
#define _cleanup_image_file_ __attribute__((cleanup(cleanup_image_file)))

#endif
