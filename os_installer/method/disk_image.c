/* A whole disk image: its own layout, boot loader, host name and fstab stay; its last partition
 * grows to the disk's end, and cloud-init's seed is put in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/words.h"
#include "os_installer/bootloader/efi.h"
#include "os_installer/bootloader/kexec.h"
#include "os_installer/disk/image.h"
#include "os_installer/disk/marker.h"
#include "os_installer/fs/fs.h"
#include "os_installer/method/method.h"
#include "os_installer/system/tree.h"
#include "os_installer/unpack/image.h"

struct disk_install {
	struct disk_image *disk;
	uint64_t disk_bytes, image_bytes;
	struct table table;
	char path[TABLE_PARTITIONS_MAX][DISK_PATH_SIZE]; /* as in table; "" when not shown */
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

	if (d->sector_bytes != TABLE_SECTOR_BYTES)
		return err_set(e, ENOTSUP,
		    "disk %s has sectors of %u bytes, and disk images are made for 512: install from a root file system instead",
		    d->path, d->sector_bytes);
	struct disk_install *in = j->own = calloc(1, sizeof(*in));
	if (!in)
		return err_set(e, ENOMEM, "out of memory");
	in->disk_bytes = d->size_bytes;
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

/* The image's own backup table would else stay in the middle of the grown partition. */
static int old_tail_erase(struct disk_install *in, struct err *e)
{
	uint64_t at = in->table.old_tail_lba * TABLE_SECTOR_BYTES;
	uint64_t end = at + in->table.old_tail_sectors * TABLE_SECTOR_BYTES;
	uint64_t tail = in->disk_bytes - TABLE_EDGE_BYTES;

	if (at < TABLE_EDGE_BYTES || end > in->disk_bytes)
		return 0;
	if (end > tail) {
		uint64_t from = at > tail ? at : tail;
		memset(disk_image_tail(in->disk) + (from - tail), 0, (size_t)(end - from));
		end = from;
	}
	return end > at ? disk_image_erase(in->disk, at, end - at, e) : 0;
}

/* ---- finding the root ---------------------------------------------------------------------- */

static bool is_root(const char *directory, int *tree)
{
	struct err ignored = ERR_INIT;
	int fd = tree_open(directory, &ignored);

	if (fd < 0)
		return false;
	if (tree_exists(fd, "/etc") && tree_exists(fd, "/usr")) {
		*tree = fd;
		return true;
	}
	close(fd);
	return false;
}

/* Grows the mounted file system of the last partition. It is mounted again when the kernel refused
 * and a program had to do it. */
static int last_grow(
    struct disk_install *in, struct mounts *m, const char *directory, const char *fs, struct err *e)
{
	const struct fs_kind *kind = fs_find(fs);
	const char *path = in->path[in->table.last];
	struct err refused = ERR_INIT;

	int r = fs_grow(
	    kind, directory, in->table.part[in->table.last].sectors * TABLE_SECTOR_BYTES, &refused);
	if (r < 0 && kind->grow_unmounted) {
		log_info("%s, trying %s", refused.msg, kind->grow_unmounted_program);
		if ((r = mounts_undo(m, m->count - 1, e)) < 0)
			return r;
		if (kind->grow_unmounted(path, e) < 0)
			return err_wrap(e, "%s", refused.msg);
		r = mounts_add_device(m, path, directory, fs, NULL, e);
	} else if (r < 0) {
		return err_set(e, refused.code, "%s", refused.msg);
	}
	if (r >= 0)
		log_info("last partition grown path=%s fs=%s%s", path, fs,
		    r == FS_GROW_UNKNOWN ? " (the file system itself stays as it is)" : "");
	return r;
}

/* Mounts partition i and grows it when it is the last. Returns 1 with *tree when it is the root
 * (then it stays mounted), 0 when it is something else, -errno when the last one cannot grow. */
static int partition_try(struct disk_install *in, struct mounts *m, const char *directory,
    unsigned i, int *tree, struct err *e)
{
	static const char *const whole[] = {"", NULL};
	bool last = i == in->table.last;
	unsigned keep = m->count;
	char fs[FS_NAME_SIZE] = "";
	struct err ignored = ERR_INIT;

	int r = fs_probe(in->path[i], fs, &ignored);
	if (r != 0) {
		log_debug("partition %s has no file system known here", in->path[i]);
		return 0;
	}
	const struct fs_kind *kind = fs_find(fs);
	const char *const *roots = kind && kind->roots ? kind->roots : whole;
	for (size_t n = 0; roots[n]; n++) {
		if (mounts_add_device(m, in->path[i], directory, fs, roots[n], &ignored) < 0) {
			log_debug("%s", ignored.msg);
			continue;
		}
		if (n == 0 && last && in->table.can_grow &&
		    (r = last_grow(in, m, directory, fs, e)) < 0)
			return r;
		if (is_root(directory, tree))
			return 1;
		if ((r = mounts_undo(m, keep, e)) < 0)
			return r;
	}
	return 0;
}

/* The last partition first: it grows in any case, and nearly always it is the root. */
static int root_mount(
    struct disk_install *in, struct mounts *m, const char *directory, int *tree, struct err *e)
{
	char names[100];
	int r = partition_try(in, m, directory, in->table.last, tree, e);

	for (unsigned i = 0; r == 0 && i < in->table.count; i++)
		if (i != in->table.last && !in->table.part[i].esp)
			r = partition_try(in, m, directory, i, tree, e);
	if (r == 0)
		return err_set(e, ENOENT,
		    "no partition of the disk image has a root file system (%s with /etc and /usr): cloud-init's seed cannot be placed",
		    word_list(fs_root_word, "", names, sizeof(names)));
	return r < 0 ? r : 0;
}

/* ---- after --------------------------------------------------------------------------------- */

static int partitions_show(struct disk_install *in, struct err *e)
{
	for (unsigned i = 0; i < in->table.count; i++) {
		int r = disk_image_show(in->disk, &in->table.part[i], in->path[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int configure(struct job *j, struct err *e)
{
	struct disk_install *in = j->own;
	uint8_t *head = disk_image_head(in->disk);
	int r;

	if ((r = table_read(head, in->image_bytes, &in->table, e)) < 0 ||
	    (r = old_tail_erase(in, e)) < 0 ||
	    (r = table_grow(head, disk_image_tail(in->disk), in->disk_bytes, &in->table, e)) < 0)
		return r;
	disk_image_release(in->disk);
	if ((r = partitions_show(in, e)) < 0 ||
	    (r = root_mount(in, &j->mounts, j->directory, &j->tree, e)) < 0)
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
	if (marker_has_place(head, TABLE_SECTOR_BYTES))
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
