#include "os_installer/method/image_root.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/words.h"
#include "os_installer/fs/fs.h"
#include "os_installer/system/tree.h"

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
    struct image_root *in, struct mounts *m, const char *directory, const char *fs, struct err *e)
{
	const struct fs_kind *kind = fs_find(fs);
	const char *path = in->path[in->table->last];
	struct err refused = ERR_INIT;

	int r = fs_grow(kind, directory,
	    in->table->part[in->table->last].sectors * in->table->sector_bytes, &refused);
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
static int partition_try(struct image_root *in, struct mounts *m, const char *directory, unsigned i,
    int *tree, struct err *e)
{
	static const char *const whole[] = {"", NULL};
	bool last = i == in->table->last;
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
		if (n == 0 && last && in->grow && in->table->can_grow &&
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
    struct image_root *in, struct mounts *m, const char *directory, int *tree, struct err *e)
{
	char names[100];
	int r = partition_try(in, m, directory, in->table->last, tree, e);

	for (unsigned i = 0; r == 0 && i < in->table->count; i++)
		if (i != in->table->last && !in->table->part[i].esp)
			r = partition_try(in, m, directory, i, tree, e);
	if (r == 0)
		return err_set(e, ENOENT,
		    "no partition of the disk image has a root file system (%s with /etc and /usr): cloud-init's seed cannot be placed",
		    word_list(fs_root_word, "", names, sizeof(names)));
	return r < 0 ? r : 0;
}

static int partitions_show(struct image_root *in, struct err *e)
{
	for (unsigned i = 0; i < in->table->count; i++) {
		int r = disk_image_show(in->disk, &in->table->part[i], in->path[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int image_root_mount(
    struct image_root *in, struct mounts *m, const char *directory, int *tree, struct err *e)
{
	int r = partitions_show(in, e);

	return r < 0 ? r : root_mount(in, m, directory, tree, e);
}
