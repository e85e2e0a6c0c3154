#include "os_installer/backup/slicer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_c_stableInBuffer */
#include <zstd.h>

#include "lib/base/cleanup.h"

struct slicer {
	struct slicer_sink sink;
	ZSTD_CCtx *z;
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
	const struct {
		ZSTD_cParameter name;
		int value;
	} wanted[] = {
	    {ZSTD_c_compressionLevel, level},
	    {ZSTD_c_checksumFlag, 0},    /* each slice has a better sum */
	    {ZSTD_c_contentSizeFlag, 0}, /* a frame's would be taken for the disk's */
	    /* Not copied into a window of zstd's, around whose end it would be slower by a fifth.
	     */
	    {ZSTD_c_stableInBuffer, 1},
	};
	size_t code = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted) && !ZSTD_isError(code); i++)
		code = ZSTD_CCtx_setParameter(s->z, wanted[i].name, wanted[i].value);
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

int slicer_data(struct slicer *s, const void *data, size_t len, struct err *e)
{
	ZSTD_inBuffer in = {.src = data, .size = len};
	int r;

	for (size_t left = len; left > 0;) {
		if ((r = room(s, e)) < 0)
			return r;
		ZSTD_outBuffer out = {.dst = s->slice, .size = s->sink.slice_bytes, .pos = s->used};
		left = ZSTD_compressStream2(s->z, &out, &in, ZSTD_e_end);
		if (ZSTD_isError(left))
			return failed(left, e);
		s->used = out.pos;
		if (s->used == s->sink.slice_bytes && (r = slice_end(s, e)) < 0)
			return r;
	}
	return 0;
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
	static const uint8_t zeros[64 << 10];
	int r = 0;

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
	return s->slice && s->used > 0 ? slice_end(s, e) : 0;
}
