/* A whole disk image: its own layout, boot loader, host name and fstab stay; its last partition
 * grows to the disk's end, and cloud-init's seed is put in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/bootloader/efi.h"
#include "os_installer/bootloader/kexec.h"
#include "os_installer/disk/image.h"
#include "os_installer/disk/marker.h"
#include "os_installer/method/image_root.h"
#include "os_installer/method/method.h"
#include "os_installer/system/tree.h"
#include "os_installer/unpack/image.h"

struct disk_install {
	struct disk_image *disk;
	uint64_t disk_bytes, image_bytes;
	uint32_t sector_bytes;
	struct table table;
	struct image_root root;
};

/* ---- before -------------------------------------------------------------------------------- */

static bool takes(const struct image_contents *m)
{
	return image_format_is_disk(m->format);
}

/* Takes the disk and erases what is on it. */
static int partition(struct job *j, struct err *e)
{
	const struct disk *d = &j->plan.disk;

	int r = table_fits(image_sector_bytes(&j->config->rootfs), d->path, d->sector_bytes, e);
	if (r < 0)
		return r;
	struct disk_install *in = j->own = calloc(1, sizeof(*in));
	if (!in)
		return err_set(e, ENOMEM, "out of memory");
	in->disk_bytes = d->size_bytes;
	in->sector_bytes = d->sector_bytes;
	in->image_bytes = j->config->rootfs.unpacked_bytes;
	return disk_image_open(d, in->image_bytes, &in->disk, e);
}

static int target(struct job *j, struct unpack_target *out, struct err *e)
{
	const struct disk_install *in = j->own;

	(void)e;
	*out = (struct unpack_target){.write = unpack_image, .ctx = in->disk};
	return 0;
}

static void clear(struct job *j)
{
	struct disk_install *in = j->own;

	if (in)
		disk_image_close(in->disk);
	free(in);
	j->own = NULL;
}

/* ---- after --------------------------------------------------------------------------------- */

static int configure(struct job *j, struct err *e)
{
	struct disk_install *in = j->own;
	uint8_t *head = disk_image_head(in->disk);
	int r;

	if ((r = table_read(head, in->image_bytes, in->sector_bytes, &in->table, e)) < 0 ||
	    (r = disk_image_old_tail_erase(in->disk, &in->table, e)) < 0 ||
	    (r = table_grow(head, disk_image_tail(in->disk), in->disk_bytes, &in->table, e)) < 0)
		return r;
	disk_image_release(in->disk);
	in->root = (struct image_root){.disk = in->disk, .table = &in->table, .grow = true};
	if ((r = image_root_mount(&in->root, &j->mounts, j->directory, &j->tree, e)) < 0)
		return r;
	return j->seed ? seed_write(j->tree, j->seed, e) : 0;
}

/* Where the image leaves room for it. */
static void marker_leave(struct disk_install *in, const struct config *c)
{
	uint8_t *head = disk_image_head(in->disk);
	struct marker m;

	if (!marker_make(&m, c->told.name, c->told.mac, c->told.distro, c->told.attempt))
		return;
	/* An image of a disk that was installed brings that machine's along. */
	struct marker old;
	if (marker_parse(head + MARKER_OFFSET, &old))
		memset(head + MARKER_OFFSET, 0, MARKER_BYTES);
	if (marker_has_place(head, in->sector_bytes))
		marker_render(&m, head + MARKER_OFFSET);
	else
		log_warn(
		    "the image has something before its first partition: the disk cannot say that it is installed");
}

static void boot_menu_add(const struct disk_install *in, const struct config *c)
{
	const struct table_partition *esp = NULL;
	struct plan_partition part = {.role = PLAN_ESP};
	char file[64], title[64];

	for (unsigned i = 0; i < in->table.count && !esp; i++)
		if (in->table.part[i].esp && in->table.gpt)
			esp = &in->table.part[i];
	if (!esp)
		return;
	part.start_lba = esp->start_lba;
	part.sectors = esp->sectors;
	snprintf(part.part_uuid, sizeof(part.part_uuid), "%s", esp->uuid);
	snprintf(title, sizeof(title), "%.40s", c->told.distro ? c->told.distro : "linux");
	snprintf(file, sizeof(file), "\\EFI\\BOOT\\%s", arch_of(c->told.arch)->removable);
	efi_register(title, &part, esp->number, file);
}

/* The image brings its own: what is left is to write the disk's ends, which were held back. */
static int bootloader(struct job *j, struct err *e)
{
	struct disk_install *in = j->own;
	int r = tree_sync(j->tree, "/", e);

	if (r < 0)
		return r;
	close(steal_fd(&j->tree));
	if ((r = mounts_undo(&j->mounts, 0, e)) < 0)
		return r;
	kexec_decline(&j->after, "a disk image's kernel is its own boot loader's business");
	marker_leave(in, j->config);
	if ((r = disk_image_commit(in->disk, e)) < 0)
		return r;
	if (j->nvram)
		boot_menu_add(in, j->config);
	return 0;
}

const struct install_method method_disk_image = {
    .name = "disk image",
    .takes = takes,
    .plan = plan_whole_disk,
    .partition = partition,
    .target = target,
    .configure = configure,
    .bootloader = bootloader,
    .clear = clear,
};
