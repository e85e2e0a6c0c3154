#include "vmlab/image/file.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/base/cleanup.h"

struct image_file {
	int fd; /* -1: only digested */
	char *name;
	ZSTD_CCtx *zstd; /* NULL: stored as it comes */
	uint8_t *out;    /* zstd's output buffer */
	size_t out_size;
	struct sha256_ctx whole;
	struct sha256_ctx chunk;
	size_t chunk_len;
	struct image_contents contents;
	size_t chunk_room;
};

static int zstd_start(struct image_file *f, int level, int threads, struct err *e)
{
	f->zstd = ZSTD_createCCtx();
	f->out_size = ZSTD_CStreamOutSize();
	f->out = malloc(f->out_size);
	if (!f->zstd || !f->out)
		return err_set(e, ENOMEM, "out of memory");
	ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_compressionLevel, level);
	/* Every byte of the file is under a SHA-256: another sum in it would only cost time. */
	ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_checksumFlag, 0);
	/* Refused by a zstd built without threads: one thread then. */
	if (threads > 1)
		(void)ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_nbWorkers, threads);
	return 0;
}

int image_file_digest_only(struct image_file **out, struct err *e)
{
	struct image_file *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	f->fd = -1;
	sha256_init(&f->whole);
	sha256_init(&f->chunk);
	*out = f;
	return 0;
}

int image_file_create(int dirfd, const char *name, int zstd_level, int threads,
    struct image_file **out, struct err *e)
{
	_cleanup_image_file_ struct image_file *f = NULL;
	int rc = image_file_digest_only(&f, e);

	if (rc)
		return rc;
	f->name = strdup(name);
	if (!f->name)
		return err_set(e, ENOMEM, "out of memory");
	if (zstd_level) {
		rc = zstd_start(f, zstd_level, threads, e);
		if (rc)
			return rc;
	}
	f->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (f->fd >= 0 && fchmod(f->fd, 0644) < 0) /* the stack reads it, whatever the umask */
		return err_errno(e, "cannot make the file %s readable", name);
	if (f->fd < 0)
		return err_errno(e, "cannot create %s", name);
	*out = steal_ptr(f);
	return 0;
}

static int chunk_end(struct image_file *f, struct err *e)
{
	struct image_contents *c = &f->contents;

	if (c->chunk_count == f->chunk_room) {
		size_t room = f->chunk_room ? f->chunk_room * 2 : 64;
		void *grown = realloc(c->chunks, room * sizeof(*c->chunks));
		if (!grown)
			return err_set(e, ENOMEM, "out of memory");
		c->chunks = grown;
		f->chunk_room = room;
	}
	sha256_digest(&f->chunk, DIGEST_BYTES, c->chunks[c->chunk_count++].byte);
	f->chunk_len = 0;
	return 0;
}

static int digest_update(struct image_file *f, const uint8_t *data, size_t len, struct err *e)
{
	sha256_update(&f->whole, len, data);
	f->contents.size_bytes += len;
	while (len) {
		size_t n = IMAGE_CHUNK_BYTES - f->chunk_len;
		if (n > len)
			n = len;
		sha256_update(&f->chunk, n, data);
		f->chunk_len += n;
		data += n;
		len -= n;
		if (f->chunk_len == IMAGE_CHUNK_BYTES) {
			int rc = chunk_end(f, e);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int store(struct image_file *f, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;

	for (size_t left = f->fd < 0 ? 0 : len; left;) {
		ssize_t n = write(f->fd, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot write %s", f->name);
		p += n;
		left -= (size_t)n;
	}
	return digest_update(f, data, len, e);
}

static int compress(
    struct image_file *f, const void *data, size_t len, ZSTD_EndDirective end, struct err *e)
{
	ZSTD_inBuffer in = {data, len, 0};

	for (;;) {
		ZSTD_outBuffer out = {f->out, f->out_size, 0};
		size_t left = ZSTD_compressStream2(f->zstd, &out, &in, end);
		int rc;

		if (ZSTD_isError(left))
			return err_set(
			    e, EIO, "cannot compress %s: %s", f->name, ZSTD_getErrorName(left));
		rc = store(f, f->out, out.pos, e);
		if (rc)
			return rc;
		if (end == ZSTD_e_end ? left == 0 : in.pos == in.size)
			return 0;
	}
}

int image_file_write(struct image_file *f, const void *data, size_t len, struct err *e)
{
	return f->zstd ? compress(f, data, len, ZSTD_e_continue, e) : store(f, data, len, e);
}

int image_file_finish(struct image_file *f, struct image_contents *out, struct err *e)
{
	int rc = 0;

	if (f->zstd)
		rc = compress(f, NULL, 0, ZSTD_e_end, e);
	if (!rc && f->chunk_len)
		rc = chunk_end(f, e);
	if (rc)
		return rc;
	if (f->fd >= 0 && (fsync(f->fd) || close(steal_fd(&f->fd))))
		return err_errno(e, "cannot write %s", f->name);
	sha256_digest(&f->whole, DIGEST_BYTES, f->contents.sha256.byte);
	*out = f->contents;
	f->contents = (struct image_contents){0};
	return 0;
}

void image_file_free(struct image_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	ZSTD_freeCCtx(f->zstd);
	free(f->out);
	free(f->name);
	image_contents_clear(&f->contents);
	free(f);
}
