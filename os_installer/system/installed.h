/* installed.h - the system that is installed on a disk of this machine: found, and mounted as its
 * own fstab says. Mount it in a mount namespace of your own: then it is unmounted however you end.
 */
#ifndef OS_INSTALLER_SYSTEM_INSTALLED_H
#define OS_INSTALLER_SYSTEM_INSTALLED_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/definition/disk_choice.h"
#include "os_installer/fs/fs.h"
#include "os_installer/system/mounts.h"

struct installed {
	struct disk disk;
	char device[DISK_PATH_SIZE + 16]; /* its root file system */
	char fs[FS_NAME_SIZE];
	char root_uuid[64];
	const char *options; /* to find "/" in it by */
	const char *directory;
	int tree; /* tree.h; -1: it is not mounted */
	struct mounts mounts;
};

/* Finds the one there is, on disk `only` where that is not NULL; of several the one on a disk that
 * says it is this machine's (marker.h; `mac` in text). Whatever is looked at is only read, journals
 * included. -ENOENT when there is none, -ENOTUNIQ with the list when there are several. */
must_check int installed_find(
    const struct disk *only, const char *mac, struct installed *out, struct err *e);

/* Whether that disk holds one, or says that it is this machine's; what is looked at is only read.
 */
bool installed_is_on(const struct disk *d, const char *mac);

/* Mounts what was found at `directory`, which is made: its root, then what its fstab has below, and
 * what programs need in a chroot. */
must_check int installed_mount(struct installed *i, const char *directory, struct err *e);

must_check int installed_unmount(struct installed *i, struct err *e);

/* Its programs find this system's name servers; nothing of it is changed on its disk. */
void installed_lend_names(struct installed *i);

/* ---- pure --------------------------------------------------------------------------------------
 */

struct fstab_line {
	char what[200], where[200], fs[32];
	char options[300]; /* those that mean something to the kernel's file system; "" */
	bool read_only;
};

/* The next line of an fstab(5) that is mounted when the system starts, but for "/", swap and what
 * is no file system of a disk. False: there is none; *text is moved on. */
bool fstab_next(const char **text, struct fstab_line *out);

#endif
