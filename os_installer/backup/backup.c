#include "os_installer/backup/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/image/manifest.h"
#include "os_installer/backup/ring.h"
#include "os_installer/backup/slicer.h"
#include "os_installer/backup/used_disk.h"
#include "os_installer/fetch/digest.h"

#define STEP_BYTES SLICER_HOLE_BYTES /* of the disk: zeros, or not */
#define FRAME_BYTES (4U << 20)       /* of the disk: compressed by themselves */
#define FRAMES 3
#define SLICES 2
#define PASSES_MAX 5

/* One way over the disk. */
struct pass {
	const struct backup *b;
	struct backup_figures *f;
	struct used_disk *used;
	struct ring *frames, *slices;
	struct digest *have; /* by the server */
	size_t have_count;
	struct ring_slot *slice; /* being filled */
	uint64_t number;         /* of the next */
	_Atomic uint64_t sent_bytes;
	int sent; /* how sending ended: 0, UPLOAD_AGAIN, -errno */
	struct err sent_err;
};

/* ---- reading ------------------------------------------------------------------------------- */

static int read_at(const struct backup *b, uint64_t at, uint8_t *buf, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = pread(b->fd, buf, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, n < 0 ? errno : EIO, "cannot read %s at byte %llu: %s",
			    b->path, (unsigned long long)at, strerror(n < 0 ? errno : EIO));
		buf += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Reads of [at, at + len) what is in use, the rest is zeros; *count grows by how much that is. */
static int step_read(
    struct pass *p, uint64_t at, size_t len, uint8_t *buf, uint64_t *count, struct err *e)
{
	uint64_t end = at + len, done = at; /* up to here it is as it should be */
	struct used_run run;
	int r = 0;

	while (done < end && (r = used_disk_run(p->used, done, &run, e)) == 1 && run.at < end) {
		uint64_t from = run.at > done ? run.at : done;
		uint64_t to = run.at + run.len < end ? run.at + run.len : end;
		memset(buf + (done - at), 0, (size_t)(from - done));
		if ((r = read_at(p->b, from, buf + (from - at), (size_t)(to - from), e)) < 0)
			return r;
		*count += to - from;
		done = to;
	}
	memset(buf + (done - at), 0, (size_t)(end - done));
	return r < 0 ? r : 0;
}

/* Up to where nothing is in use from `at` on, in whole steps; `at`: something is. */
static int hole_end(struct pass *p, uint64_t at, uint64_t *end, struct err *e)
{
	uint64_t size = p->b->disk_bytes;
	struct used_run run;
	int r = used_disk_run(p->used, at, &run, e);

	if (r < 0)
		return r;
	*end = r == 0 ? size : run.at <= at ? at : run.at / STEP_BYTES * STEP_BYTES;
	return 0;
}

/* A slot's `len` bytes of the disk are followed by `number` zeros. */
static int frame_fill(struct pass *p, uint64_t at, struct ring_slot *slot, struct err *e)
{
	while (slot->len < FRAME_BYTES && slot->number == 0 && at < p->b->disk_bytes) {
		uint64_t end, left = p->b->disk_bytes - at;
		size_t n = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
		uint8_t *step = slot->data + slot->len;
		int r = hole_end(p, at, &end, e);

		if (r == 0 && end == at)
			r = step_read(p, at, n, step, &slot->count, e);
		if (r < 0)
			return r;
		if (end > at)
			slot->number = end - at;
		else if (bytes_are_zero(step, n))
			slot->number = n;
		else
			slot->len += n;
		at += n;
	}
	return 0;
}

static void *reader_main(void *ctx)
{
	struct pass *p = ctx;
	struct ring_slot *slot;
	struct err e = ERR_INIT;
	int r = 0;

	for (uint64_t at = 0; at < p->b->disk_bytes; at += slot->len + slot->number) {
		if ((r = ring_take(p->frames, &slot)) < 0)
			break;
		slot->len = 0;
		slot->number = slot->count = 0;
		if ((r = frame_fill(p, at, slot, &e)) < 0)
			break;
		ring_give(p->frames);
	}
	ring_end(p->frames, r, &e);
	return NULL;
}

/* ---- sending ------------------------------------------------------------------------------- */

static int slice_send(struct pass *p, const struct ring_slot *slot, struct err *e)
{
	struct digest_state state;
	struct digest sum;

	digest_init(&state);
	digest_update(&state, slot->data, slot->len);
	digest_final(&state, &sum);
	if (slot->number < p->have_count && digest_equal(&sum, &p->have[slot->number]))
		return 0;
	p->have_count = 0; /* from here on the server forgets what it had */
	int r = upload_slice(p->b->upload, slot->number, &sum, slot->data, slot->len, e);
	if (r == 0)
		atomic_fetch_add(&p->sent_bytes, slot->len);
	return r;
}

static void *sender_main(void *ctx)
{
	struct pass *p = ctx;
	struct ring_slot *slot;
	int r;

	while ((r = ring_next(p->slices, &slot, &p->sent_err)) == 1)
		if ((r = slice_send(p, slot, &p->sent_err)) != 0)
			break;
	p->sent = r;
	ring_stop(p->slices);
	return NULL;
}

/* ---- compressing --------------------------------------------------------------------------- */

static int slice_take(void *ctx, uint8_t **slice, struct err *e)
{
	struct pass *p = ctx;
	int r = ring_take(p->slices, &p->slice);

	if (r < 0)
		return err_set(e, ECANCELED, "nothing is sent any more");
	*slice = p->slice->data;
	return 0;
}

static int slice_give(void *ctx, size_t len, struct err *e)
{
	struct pass *p = ctx;

	if (p->number == UPLOAD_SLICES_MAX)
		return err_set(e, EFBIG,
		    "what is on the disk takes more than %u slices of %u MiB, compressed: no image can be as large",
		    UPLOAD_SLICES_MAX, IMAGE_CHUNK_BYTES >> 20);
	p->slice->number = p->number++;
	p->slice->len = len;
	p->f->file_bytes += len;
	p->f->slices = p->number;
	ring_give(p->slices);
	return 0;
}

static int compress_all(struct pass *p, struct err *e)
{
	struct slicer_sink sink = {
	    .ctx = p, .slice_bytes = IMAGE_CHUNK_BYTES, .take = slice_take, .give = slice_give};
	struct slicer *s;
	struct ring_slot *slot;
	int r = slicer_new(&sink, p->b->level, &s, e);

	if (r < 0)
		return r;
	while ((r = ring_next(p->frames, &slot, e)) == 1) {
		if ((r = slicer_data(s, slot->data, slot->len, e)) < 0 ||
		    (r = slicer_hole(s, slot->number, e)) < 0)
			break;
		p->f->read_bytes += slot->count;
		p->f->sent_bytes = atomic_load(&p->sent_bytes);
		p->f->retries = upload_retries(p->b->upload);
		p->b->tick(p->b->ctx, p->f);
	}
	if (r == 0)
		r = slicer_end(s, e);
	slicer_free(s);
	return r;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* Three threads until all have ended. */
static int threads_run(struct pass *p, struct err *e)
{
	pthread_t reader, sender;
	struct err mine = ERR_INIT;
	int code = pthread_create(&reader, NULL, reader_main, p);

	if (code != 0)
		return err_set(e, code, "cannot start a thread");
	code = pthread_create(&sender, NULL, sender_main, p);
	int r = code == 0 ? compress_all(p, &mine) : err_set(&mine, code, "cannot start a thread");
	ring_stop(p->frames);
	ring_end(p->slices, r, &mine);
	pthread_join(reader, NULL);
	if (code == 0)
		pthread_join(sender, NULL);
	/* Who was left alone by the sender has not the reason. */
	bool left = r == -ECANCELED && p->sent != 0;
	*e = left || r == 0 ? p->sent_err : mine;
	return left || r == 0 ? p->sent : r;
}

static int pass_run(struct pass *p, struct err *e)
{
	int r;

	if ((r = upload_have(p->b->upload, &p->have, &p->have_count, e)) < 0 ||
	    (r = ring_new(FRAMES, FRAME_BYTES, &p->frames, e)) < 0 ||
	    (r = ring_new(SLICES, IMAGE_CHUNK_BYTES, &p->slices, e)) < 0)
		return r;
	if (p->have_count > 0)
		log_info("the server has %zu slices already", p->have_count);
	used_disk_rewind(p->used);
	p->f->read_bytes = p->f->file_bytes = p->f->slices = 0;
	r = threads_run(p, e);
	p->f->sent_bytes = atomic_load(&p->sent_bytes);
	return r;
}

int backup_run(const struct backup *b, struct backup_figures *f, struct err *e)
{
	struct used_disk *used;
	uint64_t sent = 0;

	*f = (struct backup_figures){.disk_bytes = b->disk_bytes};
	int r = used_disk_open(b->fd, b->path, b->disk_bytes, b->sector_bytes, &used, e);
	if (r < 0)
		return r;
	(void)posix_fadvise(b->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	f->used_bytes = used_disk_bytes(used);
	for (int n = 0; n == 0 || (r == UPLOAD_AGAIN && n < PASSES_MAX); n++) {
		struct pass p = {.b = b, .f = f, .used = used, .sent_bytes = sent};
		if (n > 0)
			log_warn("the server has lost slices, beginning again: %s", e->msg);
		r = pass_run(&p, e);
		sent = atomic_load(&p.sent_bytes);
		ring_free(p.frames);
		ring_free(p.slices);
		free(p.have);
	}
	used_disk_free(used);
	f->retries = upload_retries(b->upload);
	return r > 0 ? -EPROTO : r;
}
