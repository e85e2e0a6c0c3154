#include "boot_handler/http/guest_backup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "boot_handler/http/guest_caller.h"
#include "lib/base/cleanup.h"
#include "lib/image/image_name.h"

#define MANIFEST_MAX_BYTES 4096

/* ---- which order --------------------------------------------------------------------------- */

/* One that waits may be one that this program has forgotten to have given, when it was killed. */
static int find_order(
    const struct call *c, struct guest_caller *who, struct order *order, struct err *e)
{
	const struct route *route = c->request->route;
	int r = guest_caller_find(c, &route->mac, who, e);

	if (r == 0)
		r = orders_find(
		    state_orders(c->services->state), &who->cards, route->number, order, e);
	bool open = r == 0 && (order->state == ORDER_RUNNING || order->state == ORDER_WAITING);
	if (r == 0 && (order->action != ORDER_BACKUP || !open))
		r = err_set(e, EBUSY, "order %lld is %s", (long long)order->id,
		    order->action != ORDER_BACKUP ? "no backup" : order_state_name(order->state));
	return r;
}

static const char *name_of(const struct order *order)
{
	const char *name = json_string_value(json_object_get(order->args, "name"));

	return name ? name : "";
}

/* ---- like which image ----------------------------------------------------------------------- */

struct like {
	struct image_manifest manifest;
	char name[IMAGE_NAME_SIZE], folder[PATH_MAX];
};

static bool take_like(const struct call *c, const char *name, enum vm_arch arch, struct like *out)
{
	struct err ignored = ERR_INIT;

	if (!image_name_valid(name) ||
	    images_get(c->services->images, name, arch, &out->manifest, &ignored) < 0)
		return false;
	images_folder(c->services->images, name, arch, out->folder, sizeof(out->folder));
	snprintf(out->name, sizeof(out->name), "%s", name);
	return out->folder[0] != '\0';
}

/* The image that the machine is installed with; of one without a definition the first that there
 * is: what is taken of it is the kernel that the installer runs on. */
static int find_like(const struct call *c, const struct guest_caller *who, enum vm_arch arch,
    struct like *out, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(c->services->images_dir);
	const struct dirent *d;

	memset(out, 0, sizeof(*out));
	if (who->vm && who->vm->distro && take_like(c, who->vm->distro, arch, out))
		return 0;
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !take_like(c, d->d_name, arch, out))
			continue;
		/* What is said of the system in it is another system's. */
		out->manifest.provides = out->manifest.network_renderers = NULL;
		out->manifest.os_name = NULL;
		return 0;
	}
	return err_set(e, EBUSY,
	    "no image of %s has a kernel that the installer could run on: build one first, vmlab image build",
	    vm_arch_name(arch));
}

/* ---- the calls ----------------------------------------------------------------------------- */

static int list(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_order_ struct order order = {0};
	struct guest_caller who;
	char *text;
	int r = find_order(c, &who, &order, e);

	/* Before anything is sent for nothing. */
	for (int i = 0; r == 0 && i < VM_ARCH_COUNT; i++)
		if (!who.vm || who.vm->arch == (enum vm_arch)i)
			r = backups_name_free(
			    c->services->backups, name_of(&order), (enum vm_arch)i, e);
	if (r == 0)
		r = backups_sums(c->services->backups, order.id, &text, e);
	if (r == 0)
		server_answer_text(a, "text/plain; charset=utf-8", text);
	return r;
}

static int slice_write(void *ctx, const void *data, size_t len, struct err *e)
{
	return backups_slice_write(ctx, data, len, e);
}

static void slice_drop(void *ctx)
{
	backups_slice_free(ctx);
}

static int slice_begin(const struct call *c, struct server_sink *out, struct err *e)
{
	const struct route *route = c->request->route;
	_cleanup_order_ struct order order = {0};
	struct backup_writer *writer;
	struct guest_caller who;
	int r = find_order(c, &who, &order, e);

	if (r == 0)
		r = backups_slice_begin(
		    c->services->backups, order.id, route->slice, &route->sha256, &writer, e);
	if (r == 0)
		*out = (struct server_sink){writer, slice_write, slice_drop};
	return r;
}

static int slice_end(const struct call *c, struct server_answer *a, struct err *e)
{
	a->status = 204;
	return backups_slice_end(c->request->sink, e);
}

static int read_told(const struct call *c, struct backup_image *out, struct err *e)
{
	json_int_t disk = 0, sector = IMAGE_SECTOR_BYTES, file = 0, slices = 0;
	const char *arch = NULL;
	json_t *told = json_loadb(c->request->body, c->request->body_len, 0, NULL);
	int bad = json_unpack(told, "{s:I, s?I, s:I, s:I, s:s}", "disk_bytes", &disk,
	    "sector_bytes", &sector, "file_bytes", &file, "slices", &slices, "arch", &arch);
	bool good = !bad && disk > 0 && sector >= IMAGE_SECTOR_BYTES &&
		    sector <= IMAGE_SECTOR_BYTES_MAX && file > 0 && slices > 0 &&
		    vm_arch_parse(arch, &out->arch) == 0;

	json_decref(told);
	out->disk_bytes = (uint64_t)disk;
	out->sector_bytes = (uint32_t)sector;
	out->file_bytes = (uint64_t)file;
	out->slices = (uint64_t)slices;
	return good
		   ? 0
		   : err_set(e, EINVAL,
			 "the body has to be {\"disk_bytes\", \"sector_bytes\", \"file_bytes\", \"slices\", \"arch\"}");
}

static int manifest(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_order_ struct order order = {0};
	struct backup_image image = {0};
	struct guest_caller who;
	struct like like;
	int r = find_order(c, &who, &order, e);

	if (r < 0 || (r = read_told(c, &image, e)) < 0)
		return r;
	if ((r = find_like(c, &who, image.arch, &like, e)) == 0) {
		image.name = name_of(&order);
		image.machine = who.name;
		image.like = &like.manifest;
		image.like_name = like.name;
		image.like_folder = like.folder;
		r = backups_finish(c->services->backups, order.id, &image, e);
	}
	image_manifest_clear(&like.manifest);
	a->status = 204;
	return r;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct endpoint rows[] = {
    {"GET", "/backup/<card>/<n>", NULL, list,
	.summary = "of order <n>: the SHA-256 of each slice that is here"},
    {"PUT", "/backup/<card>/<n>/slice/<slice>", route_query_slice, slice_end,
	.body_max = BACKUP_SLICE_BYTES, .begin = slice_begin,
	.summary = "?sha256=: the next slice of the disk, or one that is other than it was"},
    {"PUT", "/backup/<card>/<n>/manifest", NULL, manifest, .body_max = MANIFEST_MAX_BYTES,
	.summary =
	    "these are all: {\"disk_bytes\", \"sector_bytes\", \"file_bytes\", \"slices\", \"arch\"}"},
};

const struct endpoint_table guest_backup_endpoints = {
    .side = ENDPOINT_GUEST, .rows = rows, .count = sizeof(rows) / sizeof(rows[0])};

enum backup_use guest_backup_use(void *ctx, int64_t order)
{
	struct services *services = ctx;

	switch (orders_use(state_orders(services->state), order)) {
	case ORDER_USE_OPEN:
		return BACKUP_IN_USE;
	case ORDER_USE_RESUMABLE:
		return BACKUP_MAY_RESUME;
	case ORDER_USE_NONE:
		break;
	}
	return BACKUP_OVER;
}
