#include "os_installer/unpack/decompress.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "os_installer/unpack/decompress_inside.h"

#define BLOCKS 8U
#define BLOCK_BYTES (256U << 10)

struct decompressor {
	struct byte_source source;
	pthread_t thread;
	uint8_t *memory; /* BLOCKS */

	/* The thread's. */
	uint8_t *block; /* NULL, or being filled */
	uint32_t used;
	const uint8_t *first; /* of the source, not yet given to libarchive; NULL: it was */
	uint32_t first_len;
	int source_failed; /* -errno of the source */
	bool source_ended;
	struct err source_err;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct {
		const uint8_t *data; /* in `memory`, or `zeros` */
		uint32_t len;
	} ring[BLOCKS];
	unsigned filled, emptied; /* blocks so far; filled - emptied of them are in the ring */
	bool enough;              /* the caller wants no more */
	bool ended;               /* the thread gives no more; `result` and `err` say why */
	int result;
	struct err err;

	bool holding; /* the caller's: it has a block that was not counted as emptied */
};

/* ---- the thread --------------------------------------------------------------------------------
 */

int decompress_source(struct decompressor *d, const uint8_t **data, uint32_t *len, struct err *e)
{
	int got = d->source.next(d->source.ctx, data, len, &d->source_err);

	d->source_ended = got == 0;
	if (got < 0) {
		d->source_failed = got;
		*e = d->source_err;
	}
	return got;
}

/* Disk images are mostly zeros: those are neither copied nor fetched from another processor's
 * cache. Never written to, so that all of it is one page. */
static uint8_t zeros[BLOCK_BYTES];

/* Waits for a place in the ring and returns its memory. NULL when no more are wanted. */
static uint8_t *block_take(struct decompressor *d)
{
	uint8_t *block = NULL;

	pthread_mutex_lock(&d->lock);
	while (!d->enough && d->filled - d->emptied == BLOCKS)
		pthread_cond_wait(&d->changed, &d->lock);
	if (!d->enough)
		block = d->memory + (size_t)(d->filled % BLOCKS) * BLOCK_BYTES;
	pthread_mutex_unlock(&d->lock);
	return block;
}

static void block_give(struct decompressor *d, const uint8_t *data, size_t len)
{
	pthread_mutex_lock(&d->lock);
	d->ring[d->filled % BLOCKS].data = data;
	d->ring[d->filled++ % BLOCKS].len = (uint32_t)len;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

void decompress_end(struct decompressor *d)
{
	if (d->used > 0)
		block_give(d, bytes_are_zero(d->block, d->used) ? zeros : d->block, d->used);
	d->block = NULL;
	d->used = 0;
}

uint8_t *decompress_room(struct decompressor *d, size_t *len)
{
	if (!d->block && !(d->block = block_take(d)))
		return NULL;
	*len = BLOCK_BYTES - d->used;
	return d->block + d->used;
}

void decompress_filled(struct decompressor *d, size_t len)
{
	d->used += (uint32_t)len;
	if (d->used == BLOCK_BYTES)
		decompress_end(d);
}

bool decompress_zeros(struct decompressor *d, uint64_t len)
{
	decompress_end(d);
	while (len > 0) {
		size_t n = len < BLOCK_BYTES ? (size_t)len : BLOCK_BYTES;
		if (!block_take(d))
			return false;
		block_give(d, zeros, n);
		len -= n;
	}
	return true;
}

/* ---- by libarchive ----------------------------------------------------------------------------
 */

static la_ssize_t on_read(struct archive *a, void *ctx, const void **data)
{
	struct decompressor *d = ctx;
	const uint8_t *bytes = d->first;
	uint32_t len = d->first_len;
	struct err e = ERR_INIT;

	d->first = NULL;
	int got = bytes ? 1 : decompress_source(d, &bytes, &len, &e);
	if (got < 0) {
		archive_set_error(a, -got, "%s", e.msg);
		return -1;
	}
	*data = bytes;
	return got == 0 ? 0 : (la_ssize_t)len;
}

static int unreadable(struct decompressor *d, struct archive *a, struct err *e)
{
	const char *text = archive_error_string(a);

	if (d->source_failed) {
		*e = d->source_err;
		return d->source_failed;
	}
	return err_set(e, archive_errno(a) == ENOMEM ? ENOMEM : EBADMSG, DECOMPRESS_FAILED,
	    text ? text : "unknown error");
}

static bool bytes_pass(struct decompressor *d, const uint8_t *p, size_t len)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		uint8_t *room = decompress_room(d, &n);
		if (!room)
			return false;
		n = len < n ? len : n;
		memcpy(room, p, n);
		decompress_filled(d, n);
	}
	return true;
}

static int archive_fill(struct decompressor *d, struct archive *a, struct err *e)
{
	struct archive_entry *entry;
	const void *data;
	size_t len;
	la_int64_t offset;
	bool wanted = true;

	archive_read_support_format_raw(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	if (archive_read_open2(a, d, NULL, on_read, NULL, NULL) != ARCHIVE_OK)
		return unreadable(d, a, e);
	int rc = archive_read_next_header(a, &entry);
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc < ARCHIVE_WARN)
		return unreadable(d, a, e);
	while (wanted && (rc = archive_read_data_block(a, &data, &len, &offset)) >= ARCHIVE_WARN) {
		if (rc == ARCHIVE_EOF) {
			decompress_end(d);
			return 0;
		}
		wanted = len >= DECOMPRESS_ZEROS_MIN_BYTES && bytes_are_zero(data, len)
			     ? decompress_zeros(d, len)
			     : bytes_pass(d, data, len);
	}
	return wanted ? unreadable(d, a, e) : 0;
}

static int decompress_archive(
    struct decompressor *d, const uint8_t *data, uint32_t len, struct err *e)
{
	struct archive *a = archive_read_new();

	d->first = data;
	d->first_len = len;
	int r = a ? archive_fill(d, a, e) : err_set(e, ENOMEM, "out of memory");
	archive_read_free(a);
	return r;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static int blocks_fill(struct decompressor *d, struct err *e)
{
	static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
	const uint8_t *data;
	uint32_t len;
	int r = decompress_source(d, &data, &len, e);

	if (r <= 0)
		return r;
	return len >= sizeof(zstd) && memcmp(data, zstd, sizeof(zstd)) == 0
		   ? decompress_zstd(d, data, len, e)
		   : decompress_archive(d, data, len, e);
}

static void *thread_main(void *ctx)
{
	struct decompressor *d = ctx;
	struct err e = ERR_INIT;
	int r = blocks_fill(d, &e);

	pthread_mutex_lock(&d->lock);
	d->result = r;
	d->err = e;
	d->ended = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* ---- the caller --------------------------------------------------------------------------------
 */

static void decompressor_free(struct decompressor *d)
{
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->memory);
	free(d);
}

int decompress_start(const struct byte_source *compressed, struct decompressor **out, struct err *e)
{
	struct decompressor *d = calloc(1, sizeof(*d));

	if (!d || !(d->memory = malloc((size_t)BLOCKS * BLOCK_BYTES))) {
		free(d);
		return err_set(e, ENOMEM, "out of memory");
	}
	d->source = *compressed;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	int code = pthread_create(&d->thread, NULL, thread_main, d);
	if (code != 0) {
		decompressor_free(d);
		return err_set(e, code, "cannot start a thread");
	}
	*out = d;
	return 0;
}

int decompress_next(void *ctx, const uint8_t **data, uint32_t *len, struct err *e)
{
	struct decompressor *d = ctx;
	int r = 1;

	pthread_mutex_lock(&d->lock);
	if (d->holding) {
		d->emptied++;
		pthread_cond_broadcast(&d->changed);
	}
	while (!d->ended && d->filled == d->emptied)
		pthread_cond_wait(&d->changed, &d->lock);
	d->holding = d->filled != d->emptied;
	if (d->holding) {
		*data = d->ring[d->emptied % BLOCKS].data;
		*len = d->ring[d->emptied % BLOCKS].len;
	} else if ((r = d->result) < 0) {
		*e = d->err;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

bool decompress_is_zeros(const uint8_t *data)
{
	return data == zeros;
}

int decompress_finish(struct decompressor *d, struct err *e)
{
	const uint8_t *data;
	uint32_t len;

	pthread_mutex_lock(&d->lock);
	d->enough = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	int r = d->source_failed;
	if (r < 0)
		*e = d->source_err;
	else if (!d->source_ended)
		while ((r = d->source.next(d->source.ctx, &data, &len, e)) > 0)
			;
	decompressor_free(d);
	return r;
}
