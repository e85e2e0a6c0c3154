/* mounts.h - what is mounted during an install, undone in reverse. */
#ifndef OS_INSTALLER_SYSTEM_MOUNTS_H
#define OS_INSTALLER_SYSTEM_MOUNTS_H

#include "lib/base/err.h"

#define MOUNTS_MAX 24

struct mounts {
	unsigned count;
	char *where[MOUNTS_MAX];
};

/* Mounts a device on a directory, which is made when missing. */
must_check int mounts_add_device(struct mounts *m, const char *device, const char *where,
    const char *fs, const char *options, struct err *e);

/* Mounts on a directory of a tree (tree.h); links in its path stay inside. `target` is the tree's
 * own path, for undoing. */
must_check int mounts_add_inside(struct mounts *m, int tree, const char *target, const char *path,
    const char *source, const char *fs, const char *options, struct err *e);

/* What programs run in a chroot need: /dev, /proc, /sys, /run. */
must_check int mounts_add_chroot(struct mounts *m, int tree, const char *target, struct err *e);

/* Makes the first `count` mounts read-only, after they were synced: GRUB reads a file system
 * without replaying its journal, which only this (or unmounting) empties. One that somebody still
 * writes to is left as it is. */
void mounts_seal(const struct mounts *m, unsigned count);

/* Unmounts down to `keep` mounts. Fails when the file system could not be written out. */
must_check int mounts_undo(struct mounts *m, unsigned keep, struct err *e);

#endif
