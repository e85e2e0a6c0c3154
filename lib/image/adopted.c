#include "lib/image/adopted.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/image/manifest.h"

static bool look(const char *images_dir, const char *distro, const char *folder, const char *file,
    struct stat *st)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/%s/%s", images_dir, distro, folder, file);

	return n > 0 && n < (int)sizeof(path) && stat(path, st) == 0;
}

static bool find_in(
    const char *images_dir, const char *distro, const char *folder, struct adopted *out)
{
	static const char *const files[] = {"rootfs.tar.gz", "rootfs.tar.zst", "rootfs.tar.xz"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (look(images_dir, distro, folder, files[i], &out->st) &&
		    S_ISREG(out->st.st_mode)) {
			out->folder = folder;
			out->file = files[i];
			return true;
		}
	return false;
}

bool adopted_find(
    const char *images_dir, const char *distro, enum vm_arch arch, struct adopted *out)
{
	const char *ours = vm_arch_name(arch);
	struct stat st;

	if (look(images_dir, distro, ours, IMAGE_MANIFEST_FILE, &st))
		return false;
	/* A kernel of that folder's own would be served in place of the one that was made. */
	if (!look(images_dir, distro, ours, IMAGE_KERNEL_FILE, &st) &&
	    !look(images_dir, distro, ours, IMAGE_MODULES_FILE, &st) &&
	    find_in(images_dir, distro, ours, out))
		return true;
	return find_in(images_dir, distro, arch_of(arch)->machine, out);
}

static json_int_t mtime_ns(const struct adopted *a)
{
	return (json_int_t)a->st.st_mtim.tv_sec * 1000000000 + a->st.st_mtim.tv_nsec;
}

bool adopted_same(const struct adopted *a, const struct adopted *b)
{
	return a->file == b->file && strcmp(a->folder, b->folder) == 0 &&
	       a->st.st_size == b->st.st_size && a->st.st_ino == b->st.st_ino &&
	       mtime_ns(a) == mtime_ns(b);
}

json_t *adopted_json(const struct adopted *a)
{
	return json_pack("{ss ss sI sI sI ss}", "folder", a->folder, "file", a->file, "size_bytes",
	    (json_int_t)a->st.st_size, "mtime_ns", mtime_ns(a), "inode", (json_int_t)a->st.st_ino,
	    "by", VMLAB_VERSION);
}

bool adopted_made_of(const json_t *object, const struct adopted *a)
{
	json_t *wanted = adopted_json(a);
	bool same = wanted && json_equal(object, wanted);

	json_decref(wanted);
	return same;
}
