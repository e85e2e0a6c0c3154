#include "vmlab/image/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/readable.h"

/* Images are flat: files only. */
static void remove_flat(int parent_fd, const char *name)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		d = fdopendir(fd);
	while (d && (de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			unlinkat(fd, de->d_name, 0);
	unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* A killed import could not clean up after itself. */
static void remove_stale(int parent_fd)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		d = fdopendir(fd);
	while (d && (de = readdir(d))) {
		size_t len = strlen(de->d_name);
		_cleanup_close_ int dir = -1;

		if (de->d_name[0] != '.' || len < 6 || strcmp(de->d_name + len - 4, ".tmp"))
			continue;
		dir = openat(parent_fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && !flock(dir, LOCK_EX | LOCK_NB))
			remove_flat(parent_fd, de->d_name);
	}
}

static int make_directories(const char *path, struct err *e)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (readable_mkdir(copy, e) < 0)
			return -e->code;
		*p = c;
		if (!c)
			return 0;
	}
}

int image_work_open(struct image_work *w, const char *images_dir, const char *name,
    enum vm_arch arch, struct err *e)
{
	struct stat st;
	int rc;

	if (asprintf(&w->parent, "%s/%s", images_dir, name) < 0) {
		w->parent = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	if (lstat(w->parent, &st) == 0 && S_ISLNK(st.st_mode))
		return err_set(e, ELOOP,
		    "%s is a link, and machines are served nothing behind one: remove it, or put the folder itself there",
		    w->parent);
	rc = make_directories(w->parent, e);
	if (rc)
		return rc;
	w->parent_fd = open(w->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->parent_fd < 0)
		return err_errno(e, "cannot open %s", w->parent);
	remove_stale(w->parent_fd);
	if (asprintf(&w->name, ".%s.%d.tmp", vm_arch_name(arch), (int)getpid()) < 0) {
		w->name = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	if (mkdirat(w->parent_fd, w->name, 0755))
		return err_errno(e, "cannot create %s/%s", w->parent, w->name);
	w->fd = openat(w->parent_fd, w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->fd < 0)
		return err_errno(e, "cannot open %s/%s", w->parent, w->name);
	if (fchmod(w->fd, 0755))
		return err_errno(e, "cannot make %s/%s readable", w->parent, w->name);
	if (flock(w->fd, LOCK_EX | LOCK_NB))
		return err_errno(e, "cannot lock %s/%s", w->parent, w->name);
	return 0;
}

void image_work_close(struct image_work *w)
{
	if (w->name)
		remove_flat(w->parent_fd, w->name);
	if (w->fd >= 0)
		close(w->fd);
	if (w->parent_fd >= 0)
		close(w->parent_fd);
	/* Only goes when nothing else is in it: a first import that failed. */
	if (w->parent)
		rmdir(w->parent);
	free(w->parent);
	free(w->name);
}

bool image_work_is_taken(const struct image_work *w, enum vm_arch arch)
{
	return faccessat(w->parent_fd, vm_arch_name(arch), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A folder that is not empty is never renamed over. */
int image_work_publish_new(struct image_work *w, enum vm_arch arch, struct err *e)
{
	const char *target = vm_arch_name(arch);

	if (fsync(w->fd))
		return err_errno(e, "cannot write %s", w->parent);
	if (renameat(w->parent_fd, w->name, w->parent_fd, target)) {
		if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
			return IMAGE_WORK_TAKEN;
		return err_errno(e, "cannot put %s/%s into place", w->parent, target);
	}
	free(steal_ptr(w->name));
	return fsync(w->parent_fd) ? err_errno(e, "cannot write %s", w->parent) : 0;
}

int image_work_publish(struct image_work *w, enum vm_arch arch, struct err *e)
{
	const char *target = vm_arch_name(arch);

	if (fsync(w->fd))
		return err_errno(e, "cannot write %s", w->parent);
	if (!renameat2(w->parent_fd, w->name, w->parent_fd, target, RENAME_EXCHANGE))
		goto done; /* w->name is the old image now, and goes with image_work_close() */
	if (errno != ENOENT) {
		_cleanup_free_ char *old = NULL;

		if (asprintf(&old, ".%s.old.tmp", target) < 0) {
			old = NULL;
			return err_set(e, ENOMEM, "out of memory");
		}
		if (renameat(w->parent_fd, target, w->parent_fd, old))
			return err_errno(e, "cannot replace %s/%s", w->parent, target);
		if (renameat(w->parent_fd, w->name, w->parent_fd, target))
			return err_errno(e, "cannot put %s/%s into place", w->parent, target);
		free(w->name);
		w->name = steal_ptr(old);
		goto done;
	}
	if (renameat(w->parent_fd, w->name, w->parent_fd, target))
		return err_errno(e, "cannot put %s/%s into place", w->parent, target);
	free(steal_ptr(w->name));
done:
	if (fsync(w->parent_fd))
		return err_errno(e, "cannot write %s", w->parent);
	return 0;
}
