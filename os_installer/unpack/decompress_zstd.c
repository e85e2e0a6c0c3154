/* zstd's frames (RFC 8878), decompressed to where they are handed on from. A disk's image is
 * mostly frames that are nothing but zeros, all alike: such a one is decompressed once. */
#include <errno.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "lib/base/bytes.h"
#include "os_installer/unpack/decompress_inside.h"

#define HOLE_FRAME_MAX 64U

struct frames {
	struct decompressor *d;
	ZSTD_DStream *z;
	ZSTD_inBuffer in;
	bool full; /* there was no room left: more may come out of what went in */
	/* The frame that is being read. */
	bool within, zero;
	const uint8_t *begin; /* NULL: in bytes that are gone */
	uint64_t bytes;       /* that came out */
	/* The last one that was zeros; hole_len 0: none. */
	uint8_t hole[HOLE_FRAME_MAX];
	size_t hole_len;
	uint64_t hole_bytes;
};

static const uint8_t *here(const struct frames *f)
{
	return (const uint8_t *)f->in.src + f->in.pos;
}

/* 1, 0 at the end, -errno. */
static int more(struct frames *f, struct err *e)
{
	const uint8_t *data;
	uint32_t len;
	int r = decompress_source(f->d, &data, &len, e);

	if (r == 0 && f->within)
		return err_set(e, EBADMSG, DECOMPRESS_FAILED, "it ends within a frame");
	if (r > 0) {
		f->in = (ZSTD_inBuffer){.src = data, .size = len};
		f->begin = NULL;
	}
	return r;
}

static bool is_hole_again(const struct frames *f)
{
	return !f->within && f->hole_len > 0 && f->in.size - f->in.pos >= f->hole_len &&
	       memcmp(here(f), f->hole, f->hole_len) == 0;
}

/* A frame's bytes say all of what comes out, and where it ends. */
static void remember_hole(struct frames *f)
{
	size_t len = f->begin ? (size_t)(here(f) - f->begin) : SIZE_MAX;

	if (!f->zero || f->bytes < DECOMPRESS_ZEROS_MIN_BYTES || len > sizeof(f->hole))
		return;
	memcpy(f->hole, f->begin, len);
	f->hole_len = len;
	f->hole_bytes = f->bytes;
}

static int step(struct frames *f, uint8_t *room, size_t len, struct err *e)
{
	ZSTD_outBuffer out = {.dst = room, .size = len};

	if (!f->within) {
		f->within = f->zero = true;
		f->begin = here(f);
		f->bytes = 0;
	}
	size_t left = ZSTD_decompressStream(f->z, &out, &f->in);
	if (ZSTD_isError(left))
		return err_set(e,
		    ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? ENOMEM : EBADMSG,
		    DECOMPRESS_FAILED, ZSTD_getErrorName(left));
	f->full = out.pos == out.size;
	f->bytes += out.pos;
	f->zero = f->zero && (out.pos == 0 || bytes_are_zero(room, out.pos));
	f->within = left > 0;
	if (!f->within)
		remember_hole(f);
	decompress_filled(f->d, out.pos);
	return 0;
}

static int read_all(struct frames *f, struct err *e)
{
	uint8_t *room;
	size_t len;
	int r;

	for (;;) {
		bool wanted = true;
		if (f->in.pos == f->in.size && !(f->within && f->full) && (r = more(f, e)) <= 0)
			break;
		if (is_hole_again(f)) {
			f->in.pos += f->hole_len;
			wanted = decompress_zeros(f->d, f->hole_bytes);
		} else if ((room = decompress_room(f->d, &len))) {
			if ((r = step(f, room, len, e)) < 0)
				return r;
		} else {
			wanted = false;
		}
		if (!wanted)
			return 0;
	}
	if (r == 0)
		decompress_end(f->d);
	return r;
}

int decompress_zstd(struct decompressor *d, const uint8_t *data, uint32_t len, struct err *e)
{
	struct frames f = {.d = d, .z = ZSTD_createDStream(), .in = {.src = data, .size = len}};
	int r = f.z ? read_all(&f, e) : err_set(e, ENOMEM, "out of memory");

	ZSTD_freeDStream(f.z);
	return r;
}
