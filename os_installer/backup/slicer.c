#include "os_installer/backup/slicer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "lib/base/cleanup.h"

struct slicer {
	struct slicer_sink sink;
	ZSTD_CCtx *z;
	bool open;      /* a frame has begun */
	uint8_t *slice; /* NULL, or being filled */
	size_t used;
	size_t hole_len; /* of the frame that becomes SLICER_HOLE_BYTES of zeros */
	uint8_t hole[512];
};

static int failed(size_t code, struct err *e)
{
	return err_set(e, EIO, "zstd: %s", ZSTD_getErrorName(code));
}

static int settings(struct slicer *s, int level, struct err *e)
{
	size_t code = ZSTD_CCtx_setParameter(s->z, ZSTD_c_compressionLevel, level);

	/* Each slice has a better sum. */
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setParameter(s->z, ZSTD_c_checksumFlag, 0);
	return ZSTD_isError(code) ? failed(code, e) : 0;
}

static int hole_make(struct slicer *s, struct err *e)
{
	_cleanup_free_ uint8_t *zeros = calloc(1, SLICER_HOLE_BYTES);

	if (!zeros)
		return err_set(e, ENOMEM, "out of memory");
	size_t n = ZSTD_compress2(s->z, s->hole, sizeof(s->hole), zeros, SLICER_HOLE_BYTES);
	s->hole_len = n;
	return ZSTD_isError(n) ? failed(n, e) : 0;
}

int slicer_new(const struct slicer_sink *sink, int level, struct slicer **out, struct err *e)
{
	struct slicer *s = calloc(1, sizeof(*s));

	if (!s || !(s->z = ZSTD_createCCtx())) {
		free(s);
		return err_set(e, ENOMEM, "out of memory");
	}
	s->sink = *sink;
	int r = settings(s, level, e);
	if (r == 0)
		r = hole_make(s, e);
	if (r < 0) {
		slicer_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void slicer_free(struct slicer *s)
{
	if (!s)
		return;
	ZSTD_freeCCtx(s->z);
	free(s);
}

/* Room for at least one byte. */
static int room(struct slicer *s, struct err *e)
{
	int r = s->slice ? 0 : s->sink.take(s->sink.ctx, &s->slice, e);

	return r;
}

static int slice_end(struct slicer *s, struct err *e)
{
	int r = s->sink.give(s->sink.ctx, s->used, e);

	s->slice = NULL;
	s->used = 0;
	return r;
}

static int compress(
    struct slicer *s, const void *data, size_t len, ZSTD_EndDirective how, struct err *e)
{
	ZSTD_inBuffer in = {.src = data, .size = len};
	size_t left;
	int r;

	do {
		if ((r = room(s, e)) < 0)
			return r;
		ZSTD_outBuffer out = {.dst = s->slice, .size = s->sink.slice_bytes, .pos = s->used};
		left = ZSTD_compressStream2(s->z, &out, &in, how);
		if (ZSTD_isError(left))
			return failed(left, e);
		s->used = out.pos;
		if (s->used == s->sink.slice_bytes && (r = slice_end(s, e)) < 0)
			return r;
	} while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
	s->open = how != ZSTD_e_end;
	return 0;
}

int slicer_data(struct slicer *s, const void *data, size_t len, struct err *e)
{
	return len ? compress(s, data, len, ZSTD_e_continue, e) : 0;
}

static int frame_end(struct slicer *s, struct err *e)
{
	return s->open ? compress(s, NULL, 0, ZSTD_e_end, e) : 0;
}

static int hole_put(struct slicer *s, struct err *e)
{
	for (size_t at = 0; at < s->hole_len;) {
		int r = room(s, e);
		if (r < 0)
			return r;
		size_t n = s->sink.slice_bytes - s->used;
		if (n > s->hole_len - at)
			n = s->hole_len - at;
		memcpy(s->slice + s->used, s->hole + at, n);
		at += n;
		s->used += n;
		if (s->used == s->sink.slice_bytes && (r = slice_end(s, e)) < 0)
			return r;
	}
	return 0;
}

int slicer_hole(struct slicer *s, uint64_t len, struct err *e)
{
	static const uint8_t zeros[4096];
	int r = frame_end(s, e);

	for (; r == 0 && len >= SLICER_HOLE_BYTES; len -= SLICER_HOLE_BYTES)
		r = hole_put(s, e);
	while (r == 0 && len > 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		r = slicer_data(s, zeros, n, e);
		len -= n;
	}
	return r;
}

int slicer_end(struct slicer *s, struct err *e)
{
	int r = frame_end(s, e);

	return r == 0 && s->slice && s->used > 0 ? slice_end(s, e) : r;
}
