#include "os_installer/backup/used_disk.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/disk/image_table.h"

#define AREAS_MAX (2 * TABLE_PARTITIONS_MAX + 1)
#define TYPE_SIZE 32

struct area {
	struct used_disk *disk;
	uint64_t at, bytes;
	unsigned number;              /* of the partition; 0: it is none */
	const struct used_kind *kind; /* NULL: every byte */
};

struct used_disk {
	int fd;
	const char *path;
	uint64_t bytes, used_bytes;
	struct area area[AREAS_MAX]; /* in order, without gaps */
	size_t areas;

	size_t now; /* the area that is told of */
	void *state;
	bool begun;
	struct used_run run; /* of the disk; len 0: none yet */
};

static int read_area(void *ctx, uint64_t at, void *buf, size_t len, struct err *e)
{
	const struct area *a = ctx;

	if (at > a->bytes || len > a->bytes - at)
		return err_set(e, EBADMSG, "it points outside of itself");
	for (size_t got = 0; got < len;) {
		ssize_t n =
		    pread(a->disk->fd, (char *)buf + got, len - got, (off_t)(a->at + at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, n < 0 ? errno : EIO, "cannot read %s at byte %llu",
			    a->disk->path, (unsigned long long)(a->at + at + got));
		got += (size_t)n;
	}
	return 0;
}

static struct used_source source_of(struct area *a)
{
	return (struct used_source){.ctx = a, .bytes = a->bytes, .read = read_area};
}

/* ---- which areas there are ------------------------------------------------------------------ */

/* What libblkid is sure of; "" where it finds nothing, or more than one thing. */
static void type_of(const struct area *a, char out[TYPE_SIZE])
{
	blkid_probe pr = blkid_new_probe();
	const char *type = NULL;

	out[0] = '\0';
	if (!pr)
		return;
	if (blkid_probe_set_device(pr, a->disk->fd, (blkid_loff_t)a->at, (blkid_loff_t)a->bytes) ==
	    0) {
		blkid_probe_enable_superblocks(pr, 1);
		blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
		blkid_probe_enable_partitions(pr, a->number == 0);
		if (blkid_do_safeprobe(pr) == 0 &&
		    blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL) < 0 &&
		    blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0)
			snprintf(out, TYPE_SIZE, "%s", type);
	}
	blkid_free_probe(pr);
}

static void name_of(const struct area *a, char out[40])
{
	if (a->number)
		snprintf(out, 40, "partition %u", a->number);
	else
		snprintf(out, 40, "the room at %llu", (unsigned long long)a->at);
}

/* Goes through it once: what cannot be gone through is taken whole. */
static uint64_t add_up(struct area *a, void *state, struct err *e)
{
	uint64_t sum = 0, end = 0;
	struct used_run run;
	int r;

	while ((r = a->kind->next(state, &run, e)) == 1) {
		if (run.at < end || run.at > a->bytes || run.len > a->bytes - run.at) {
			r = err_set(e, EBADMSG, "what it says of itself makes no sense");
			break;
		}
		end = run.at + run.len;
		sum += run.len;
	}
	if (r < 0) {
		a->kind = NULL;
		return a->bytes;
	}
	/* What lies behind the file system is not its own to tell of. */
	return sum;
}

static void judge(struct area *a)
{
	struct used_source source = source_of(a);
	char type[TYPE_SIZE], name[40];
	struct err why = ERR_INIT;
	_cleanup_free_ void *state = NULL;
	uint64_t used = a->bytes;

	type_of(a, type);
	name_of(a, name);
	a->kind = type[0] ? used_find(type) : NULL;
	if (a->kind && a->kind->open(&source, &state, &why) != 0)
		a->kind = NULL;
	if (a->kind)
		used = add_up(a, state, &why);
	a->disk->used_bytes += used;
	if (why.msg[0])
		log_info("%s of %s, %s, is taken whole: %s", name, a->disk->path, type, why.msg);
	else if (a->number)
		log_info("%s of %s: %llu of %llu MiB are taken fs=%s", name, a->disk->path,
		    (unsigned long long)(used >> 20), (unsigned long long)(a->bytes >> 20),
		    type[0] ? type : "?");
}

static void area_add(struct used_disk *d, uint64_t at, uint64_t end, unsigned number)
{
	if (end > at)
		d->area[d->areas++] =
		    (struct area){.disk = d, .at = at, .bytes = end - at, .number = number};
}

static int by_start(const void *a, const void *b)
{
	const struct table_partition *x = a, *y = b;

	return x->start_lba < y->start_lba ? -1 : x->start_lba > y->start_lba;
}

/* False: they overlap. */
static bool partitions_add(struct used_disk *d, struct table *t)
{
	uint64_t end = 0;

	qsort(t->part, t->count, sizeof(*t->part), by_start);
	for (unsigned i = 0; i < t->count; i++) {
		uint64_t at = t->part[i].start_lba * t->sector_bytes;
		if (at < end)
			return false;
		area_add(d, end, at, 0);
		end = at + t->part[i].sectors * t->sector_bytes;
		area_add(d, at, end, t->part[i].number);
	}
	area_add(d, end, d->bytes, 0);
	return true;
}

static int areas_find(struct used_disk *d, uint32_t sector_bytes, struct err *e)
{
	_cleanup_free_ struct table *table = calloc(1, sizeof(*table));
	_cleanup_free_ uint8_t *head = calloc(1, TABLE_EDGE_BYTES);
	struct area whole = {.disk = d, .bytes = d->bytes};
	struct err none = ERR_INIT;

	if (!table || !head)
		return err_set(e, ENOMEM, "out of memory");
	size_t len = d->bytes < TABLE_EDGE_BYTES ? (size_t)d->bytes : TABLE_EDGE_BYTES;
	int r = read_area(&whole, 0, head, len, e);
	if (r < 0)
		return r;
	bool found = table_read(head, d->bytes, sector_bytes, table, &none) == 0;
	if (!found)
		log_info("%s: %s", d->path, none.msg);
	if (!found || !partitions_add(d, table)) {
		d->areas = 0;
		area_add(d, 0, d->bytes, 0);
	}
	for (size_t i = 0; i < d->areas; i++)
		if (d->area[i].number || d->areas == 1)
			judge(&d->area[i]);
		else
			d->used_bytes += d->area[i].bytes;
	return 0;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void area_leave(struct used_disk *d)
{
	free(d->state);
	d->state = NULL;
	d->begun = false;
}

/* The next run of the area, as bytes of the disk; 0 after its last. */
static int area_next(struct used_disk *d, struct used_run *out, struct err *e)
{
	struct area *a = &d->area[d->now];
	struct used_source source = source_of(a);
	bool first = !d->begun;
	int r;

	d->begun = true;
	if (!a->kind) {
		*out = (struct used_run){a->at, a->bytes};
		return first;
	}
	if (first && (r = a->kind->open(&source, &d->state, e)) != 0)
		return r < 0 ? r : err_set(e, EIO, "%s changed while it was read", d->path);
	r = a->kind->next(d->state, out, e);
	if (r != 1)
		return r;
	if (out->at > a->bytes || out->len > a->bytes - out->at)
		return err_set(e, EIO, "%s changed while it was read", d->path);
	out->at += a->at;
	return 1;
}

int used_disk_run(struct used_disk *d, uint64_t at, struct used_run *out, struct err *e)
{
	while (d->run.len == 0 || d->run.at + d->run.len <= at) {
		if (d->now == d->areas)
			return 0;
		int r = area_next(d, &d->run, e);
		if (r < 0)
			return r;
		if (r == 0) {
			d->run.len = 0;
			area_leave(d);
			d->now++;
		}
	}
	*out = d->run;
	return 1;
}

uint64_t used_disk_bytes(const struct used_disk *d)
{
	return d->used_bytes;
}

void used_disk_rewind(struct used_disk *d)
{
	area_leave(d);
	d->now = 0;
	d->run.len = 0;
}

int used_disk_open(int fd, const char *path, uint64_t bytes, uint32_t sector_bytes,
    struct used_disk **out, struct err *e)
{
	struct used_disk *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, ENOMEM, "out of memory");
	d->fd = fd;
	d->path = path;
	d->bytes = bytes;
	int r = areas_find(d, sector_bytes, e);
	if (r < 0) {
		used_disk_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void used_disk_free(struct used_disk *d)
{
	if (!d)
		return;
	free(d->state);
	free(d);
}
