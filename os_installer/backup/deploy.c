#include "os_installer/backup/deploy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "os_installer/disk/image.h"
#include "os_installer/disk/marker.h"
#include "os_installer/method/image_root.h"
#include "os_installer/system/tree.h"
#include "os_installer/unpack/image.h"

static int check_disk(const struct deploy *d, struct err *e)
{
	char image[SIZE_TEXT_SIZE], disk[SIZE_TEXT_SIZE];

	if (d->contents->sector_bytes) {
		int r =
		    table_fits(d->contents->sector_bytes, d->disk->path, d->disk->sector_bytes, e);
		if (r < 0)
			return err_wrap(e, "nothing was written");
	}
	if (d->contents->unpacked_bytes > d->disk->size_bytes)
		return err_set(e, ENOSPC,
		    "the image is a disk of %s (%llu bytes), and %s has %s (%llu bytes): nothing was written",
		    size_text(d->contents->unpacked_bytes, image),
		    (unsigned long long)d->contents->unpacked_bytes, d->disk->path,
		    size_text(d->disk->size_bytes, disk), (unsigned long long)d->disk->size_bytes);
	return 0;
}

/* What the disk that the image was made of says of its install is not true of this one. */
static void marker_clear(const struct deploy *d, uint8_t *head)
{
	struct marker m;

	if (marker_parse(head + MARKER_OFFSET, &m) && !marker_is_of(&m, NULL, d->mac))
		memset(head + MARKER_OFFSET, 0, MARKER_BYTES);
}

/* 0: such an image has no table that is known here, and is none the worse for it. */
static int table_fit(const struct deploy *d, struct disk_image *i, uint64_t image_bytes,
    struct table *t, struct err *e)
{
	uint32_t told = d->contents->sector_bytes, seen = table_sector_bytes(disk_image_head(i));
	uint32_t sector_bytes = seen ? seen : told ? told : TABLE_SECTOR_BYTES;
	struct err none = ERR_INIT;
	int r;

	if (table_read(disk_image_head(i), image_bytes, sector_bytes, t, &none) < 0) {
		log_warn("%s: it is written as it is", none.msg);
		return 0;
	}
	if ((r = table_fits(sector_bytes, d->disk->path, d->disk->sector_bytes, e)) < 0)
		return r;
	marker_clear(d, disk_image_head(i));
	if ((r = disk_image_old_tail_erase(i, t, e)) < 0 ||
	    (r = table_settle(disk_image_head(i), disk_image_tail(i), d->disk->size_bytes, t, e)) <
		0)
		return r;
	return 1;
}

static int seed_write_to(const struct deploy *d, int tree, bool *seeded, struct err *e)
{
	if (!tree_exists(tree, "/etc/cloud")) {
		log_info("the image's system has no cloud-init: it keeps its settings");
		return 0;
	}
	int r = seed_write(tree, d->seed, e);
	if (r == 0)
		r = tree_sync(tree, "/", e);
	*seeded = r == 0;
	return r;
}

static int seed_put(
    const struct deploy *d, struct disk_image *i, struct table *t, bool *seeded, struct err *e)
{
	_cleanup_free_ struct image_root *root = calloc(1, sizeof(*root));
	struct mounts mounts = {0};
	struct err none = ERR_INIT;
	int tree = -1;

	if (!root)
		return err_set(e, ENOMEM, "out of memory");
	root->disk = i;
	root->table = t;
	disk_image_release(i);
	if (image_root_mount(root, &mounts, d->directory, &tree, &none) < 0) {
		log_info("%s", none.msg);
		return mounts_undo(&mounts, 0, e);
	}
	int r = seed_write_to(d, tree, seeded, e);
	close(tree);
	int undone = mounts_undo(&mounts, 0, r < 0 ? &none : e);
	return r < 0 ? r : undone;
}

static int transfer(
    const struct deploy *d, struct disk_image *i, struct deployed *out, struct err *e)
{
	struct unpack_target target = {.write = unpack_image, .ctx = i};
	_cleanup_free_ struct table *t = calloc(1, sizeof(*t));
	int r = t ? unpack_run(d->url, d->contents, &target, d->tick, d->ctx, &out->progress, e)
		  : err_set(e, ENOMEM, "out of memory");

	if (r < 0 || (r = table_fit(d, i, out->progress.unpacked_bytes, t, e)) < 0)
		return r;
	if (r > 0 && d->seed && (r = seed_put(d, i, t, &out->seeded, e)) < 0)
		return r;
	return disk_image_commit(i, e);
}

int deploy_run(const struct deploy *d, struct deployed *out, struct err *e)
{
	struct disk_image *i;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = check_disk(d, e)) < 0 ||
	    (r = disk_image_open(d->disk, d->contents->unpacked_bytes, &i, e)) < 0)
		return r;
	r = transfer(d, i, out, e);
	disk_image_close(i);
	return r < 0 ? err_wrap(e, "%s holds no system any more", d->disk->path) : 0;
}
