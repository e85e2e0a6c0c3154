#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/agent/order.h"
#include "os_installer/backup/backup.h"

#define LEVEL 3
#define URL_SIZE (SERVER_URL_SIZE + 100)

static void tick(void *ctx, const struct backup_figures *f)
{
	order_progress(ctx, "backup", f->read_bytes, f->used_bytes);
}

static void tell(
    struct order_run *o, const struct disk *disk, const struct backup_figures *f, int64_t began_ms)
{
	double seconds = (double)(monotonic_ms() - began_ms) / 1000;

	order_figure(o, "disk", json_string(disk->name));
	order_figure(o, "disk_bytes", json_integer((json_int_t)f->disk_bytes));
	order_figure(o, "used_bytes", json_integer((json_int_t)f->used_bytes));
	order_figure(o, "file_bytes", json_integer((json_int_t)f->file_bytes));
	order_figure(o, "sent_bytes", json_integer((json_int_t)f->sent_bytes));
	order_figure(o, "slices", json_integer((json_int_t)f->slices));
	order_figure(o, "retries", json_integer(f->retries));
	order_figure(o, "seconds", json_real(seconds));
}

static int finish(struct order_run *o, struct upload *u, const struct backup *b,
    const struct backup_figures *f, struct err *e)
{
	json_t *what = json_pack("{s:I, s:I, s:I, s:I, s:s}", "disk_bytes",
	    (json_int_t)f->disk_bytes, "sector_bytes", (json_int_t)b->sector_bytes, "file_bytes",
	    (json_int_t)f->file_bytes, "slices", (json_int_t)f->slices, "arch", VMLAB_ARCH);

	order_progress(o, "image", 0, 0);
	int r = what ? upload_finish(u, what, e) : err_set(e, ENOMEM, "out of memory");
	json_decref(what);
	return r > 0 ? -EPROTO : r;
}

static int check_disk(const struct disk *d, struct err *e)
{
	if (strcmp(d->excluded, "in use") == 0)
		return err_set(
		    e, EBUSY, "disk %s is in use: it would change while it is read", d->path);
	return 0;
}

static int back_up(struct order_run *o, struct upload *u, const struct disk *d, struct err *e)
{
	json_int_t level = json_integer_value(json_object_get(o->args, "compress"));
	struct backup_figures f = {.disk_bytes = 0};
	int64_t began_ms = monotonic_ms();
	char size[SIZE_TEXT_SIZE];

	/* Nobody else is to write to it meanwhile. */
	_cleanup_close_ int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_EXCL);
	if (fd < 0)
		return err_errno(e, "cannot open %s", d->path);
	struct backup b = {.fd = fd,
	    .path = d->path,
	    .disk_bytes = d->size_bytes,
	    .sector_bytes = d->sector_bytes,
	    .level = level ? (int)level : LEVEL,
	    .upload = u,
	    .tick = tick,
	    .ctx = o};
	int r = backup_run(&b, &f, e);
	if (r == 0)
		r = finish(o, u, &b, &f, e);
	tell(o, d, &f, began_ms);
	if (r < 0 && upload_hint(u)[0])
		order_hint(o, upload_hint(u));
	if (r == 0)
		order_text(
		    o, "%s is an image of %s now", d->path, size_text_short(f.file_bytes, size));
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	char url[URL_SIZE];
	struct upload *u;
	struct disk d;
	int r = order_disk(o, false, &d, e);

	if (r < 0 || (r = check_disk(&d, e)) < 0)
		return r;
	order_progress(o, "backup", 0, 0);
	snprintf(
	    url, sizeof(url), "%s/backup/%s/%" PRId64, o->server->url, o->server->as.mac, o->id);
	if ((r = upload_new(url, &u, e)) < 0)
		return r;
	r = back_up(o, u, &d, e);
	upload_free(u);
	return r;
}

extern const struct order order_backup;
const struct order order_backup = {.run = run};
