#include "os_installer/system/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/system/tree.h"

#define BUSY_TRIES 50

static int remember(struct mounts *m, const char *where, struct err *e)
{
	if (m->count == MOUNTS_MAX || !(m->where[m->count] = strdup(where)))
		return err_set(e, ENOMEM, "too many mounts");
	m->count++;
	return 0;
}

int mounts_add_device(struct mounts *m, const char *device, const char *where, const char *fs,
    const char *options, struct err *e)
{
	if (mkdir(where, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make the directory %s", where);
	if (mount(device, where, fs, MS_NOATIME, options) < 0)
		return err_errno(e, "cannot mount %s (%s) on %s", device, fs, where);
	return remember(m, where, e);
}

int mounts_add_inside(struct mounts *m, int tree, const char *target, const char *path,
    const char *source, const char *fs, const char *options, struct err *e)
{
	char magic[64], real[4096];
	_cleanup_close_ int dir = tree_directory(tree, path, e);

	if (dir < 0)
		return dir;
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", dir);
	ssize_t n = readlink(magic, real, sizeof(real) - 1);
	if (n < 0)
		return err_errno(e, "cannot read %s", magic);
	real[n] = '\0';
	if (strncmp(real, target, strlen(target)) != 0)
		return err_set(e, EXDEV, "%s leads out of %s", path, target);
	unsigned long flags = strcmp(fs, "bind") == 0 ? MS_BIND | MS_REC : 0;
	if (mount(source, magic, flags ? NULL : fs, flags, options) < 0)
		return err_errno(e, "cannot mount %s (%s) on %s", source, fs, real);
	return remember(m, real, e);
}

int mounts_add_chroot(struct mounts *m, int tree, const char *target, struct err *e)
{
	static const struct {
		const char *path, *source, *fs;
	} needed[] = {
	    {"/proc", "proc", "proc"},
	    {"/sys", "/sys", "bind"},
	    {"/dev", "/dev", "bind"},
	    {"/run", "tmpfs", "tmpfs"},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		int r = tree_exists(tree, needed[i].path)
			    ? 0
			    : tree_mkdirs(tree, needed[i].path, 0755, e);
		if (r == 0)
			r = mounts_add_inside(m, tree, target, needed[i].path, needed[i].source,
			    needed[i].fs, NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A program that is just ending may hold a mount for a moment more. What cannot be unmounted is
 * detached when it holds no data of ours. */
static int undo_one(const char *where, struct err *e)
{
	for (int n = 0; n < BUSY_TRIES; n++) {
		if (umount2(where, UMOUNT_NOFOLLOW) == 0)
			return 0;
		if (errno != EBUSY)
			break;
		usleep(20000);
	}
	int code = errno;
	log_debug("cannot unmount %s: %s", where, strerror(code));
	if (umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	return err_errno(e, "cannot unmount %s", where);
}

void mounts_seal(const struct mounts *m, unsigned count)
{
	for (unsigned i = count; i-- > 0;) {
		int n = 0;
		while (mount(NULL, m->where[i], NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 &&
		       errno == EBUSY && n++ < BUSY_TRIES)
			usleep(20000);
		if (n > BUSY_TRIES)
			log_warn("%s is still being written to", m->where[i]);
	}
}

int mounts_undo(struct mounts *m, unsigned keep, struct err *e)
{
	while (m->count > keep) {
		char *where = m->where[m->count - 1];
		int r = undo_one(where, e);
		if (r < 0)
			return r;
		free(where);
		m->count--;
	}
	return 0;
}
