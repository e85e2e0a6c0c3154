#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/sources/backup_inside.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"

struct backup_writer {
	struct backups *store;
	int64_t order;
	uint64_t number, got;
	struct digest wanted;
	struct sha256_ctx slice, whole;
};

int backups_sums(struct backups *b, int64_t order, char **out, struct err *e)
{
	const size_t line = 2 * DIGEST_BYTES + 1;
	struct backup_part *p;
	int r = backup_part_get(b, order, false, &p, e);

	if (r < 0)
		return r;
	uint64_t count = p ? p->count : 0;
	char *text = malloc(count * line + 1);
	r = text ? 0 : err_set(e, ENOMEM, "out of memory");
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		struct digest sum;
		off_t at = (off_t)(i * sizeof(sum));
		if (pread(p->sums, &sum, sizeof(sum), at) != sizeof(sum))
			r = err_set(e, EIO, "the sums of order %" PRId64 " cannot be read", order);
		hex_encode(sum.byte, DIGEST_BYTES, text + i * line);
		text[i * line + line - 1] = '\n';
	}
	if (p)
		backup_part_put(b, p);
	if (r < 0) {
		free(text);
		return r;
	}
	text[count * line] = '\0';
	*out = text;
	return 0;
}

/* ---- room ---------------------------------------------------------------------------------- */

/* What was sent goes: half a disk is of no use, and takes the room of all else. */
static int give_up(struct backups *b, struct backup_part *p, struct err *e)
{
	char sent[SIZE_TEXT_SIZE], kept[SIZE_TEXT_SIZE];
	uint64_t bytes = p->bytes;

	backup_part_remove(b, p);
	return err_set(e, EDQUOT,
	    "the server's disk is full: the backup was given up after %s, and %s have to stay free there",
	    size_text_short(bytes, sent), size_text_short(BACKUP_RESERVE_BYTES, kept));
}

/* ---- slices -------------------------------------------------------------------------------- */

static int check_number(const struct backup_part *p, uint64_t number, struct err *e)
{
	if (number >= BACKUP_SLICES_MAX)
		return err_set(e, EFBIG, "an image has at most %u slices", BACKUP_SLICES_MAX);
	if (number > p->count)
		return err_set(e, ESTALE, "slice %" PRIu64 " comes first: there are %" PRIu64,
		    p->count, p->count);
	if (number == p->count && p->bytes != number * BACKUP_SLICE_BYTES)
		return err_set(
		    e, EINVAL, "slice %" PRIu64 " was the last one: it is a short one", number - 1);
	return 0;
}

/* Forgets what is there from slice `number` on. */
static int cut(struct backup_part *p, uint64_t number, struct err *e)
{
	uint8_t buf[65536];

	if (number == p->count)
		return 0;
	if (ftruncate(p->sums, (off_t)(number * sizeof(struct digest))) < 0)
		return err_errno(e, "the sums cannot be cut");
	p->count = number;
	p->bytes = number * BACKUP_SLICE_BYTES;
	sha256_init(&p->whole);
	for (uint64_t at = 0; at < p->bytes;) {
		uint64_t left = p->bytes - at;
		ssize_t n = pread(p->data, buf, left < sizeof(buf) ? left : sizeof(buf), (off_t)at);
		if (n <= 0)
			return err_set(e, EIO, "what was sent cannot be read again");
		sha256_update(&p->whole, (size_t)n, buf);
		at += (uint64_t)n;
	}
	return 0;
}

int backups_slice_begin(struct backups *b, int64_t order, uint64_t number, const struct digest *sum,
    struct backup_writer **out, struct err *e)
{
	struct backup_part *p;

	/* What waits to be resumed gives way to what goes on. */
	if (backup_room_left(b) < BACKUP_RESERVE_BYTES + BACKUP_SLICE_BYTES)
		backups_sweep(b, BACKUP_SLICE_BYTES, wall_ms());
	int r = backup_part_get(b, order, true, &p, e);
	if (r < 0)
		return r;
	struct backup_writer *w = calloc(1, sizeof(*w));
	r = w ? check_number(p, number, e) : err_set(e, ENOMEM, "out of memory");
	if (r == 0 && backup_room_left(b) < BACKUP_RESERVE_BYTES + BACKUP_SLICE_BYTES)
		r = give_up(b, p, e);
	if (r == 0)
		r = cut(p, number, e);
	if (r == 0) {
		*w = (struct backup_writer){.store = b,
		    .order = order,
		    .number = number,
		    .wanted = *sum,
		    .whole = p->whole};
		sha256_init(&w->slice);
		p->writer = w; /* one before it that was cut off writes no more */
		*out = steal_ptr(w);
	}
	free(w);
	backup_part_put(b, p);
	return r;
}

/* The part that it is the writer of, locked. */
static int writer_part(struct backup_writer *w, struct backup_part **out, struct err *e)
{
	int r = backup_part_get(w->store, w->order, false, out, e);

	if (r < 0)
		return r;
	if (*out && (*out)->writer == w)
		return 0;
	if (*out)
		backup_part_put(w->store, *out);
	return err_set(e, EBUSY, "this slice is sent again meanwhile, or the order is over");
}

static int write_all(int fd, uint64_t at, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int written(struct backups *b, struct backup_part *p, int code, struct err *e)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return give_up(b, p, e);
	return code == 0 ? 0 : err_set(e, EIO, "a slice cannot be written: %s", strerror(-code));
}

int backups_slice_write(struct backup_writer *w, const void *data, size_t len, struct err *e)
{
	struct backup_part *p;

	if (len > BACKUP_SLICE_BYTES - w->got)
		return err_set(e, EFBIG, "a slice has at most %u bytes", BACKUP_SLICE_BYTES);
	int r = writer_part(w, &p, e);
	if (r < 0)
		return r;
	r = written(
	    w->store, p, write_all(p->data, w->number * BACKUP_SLICE_BYTES + w->got, data, len), e);
	backup_part_put(w->store, p);
	if (r < 0)
		return r;
	sha256_update(&w->slice, len, data);
	sha256_update(&w->whole, len, data);
	w->got += len;
	return 0;
}

int backups_slice_end(struct backup_writer *w, struct err *e)
{
	struct backup_part *p;
	struct digest got;

	sha256_digest(&w->slice, sizeof(got), got.byte);
	if (w->got == 0 || !digest_equal(&got, &w->wanted))
		return err_set(
		    e, EBADMSG, "slice %" PRIu64 " has another SHA-256: send it again", w->number);
	int r = writer_part(w, &p, e);
	if (r < 0)
		return r;
	r = written(w->store, p, write_all(p->sums, w->number * sizeof(got), &got, sizeof(got)), e);
	if (r == 0) {
		p->count = w->number + 1;
		p->bytes = w->number * BACKUP_SLICE_BYTES + w->got;
		p->whole = w->whole;
		/* So that not all of it is left to the end. */
		(void)sync_file_range(p->data, (off_t)(w->number * BACKUP_SLICE_BYTES),
		    (off_t)w->got, SYNC_FILE_RANGE_WRITE);
	}
	if (!p->gone)
		p->writer = NULL;
	backup_part_put(w->store, p);
	return r;
}

void backups_slice_free(struct backup_writer *w)
{
	struct err ignored = ERR_INIT;
	struct backup_part *p;

	if (w && writer_part(w, &p, &ignored) == 0) {
		p->writer = NULL;
		backup_part_put(w->store, p);
	}
	free(w);
}
