/* tree.h - files of an installed system that is not the running one. Every path, and every symbolic
 * link on it, is resolved inside the tree (openat2(2), RESOLVE_IN_ROOT), so a link in an image can
 * not lead to a file of the installer's own.
 *
 * Paths start with '/' and mean the tree's root.
 */
#ifndef OS_INSTALLER_SYSTEM_TREE_H
#define OS_INSTALLER_SYSTEM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* Opens the tree at a directory. Returns a file descriptor or -errno. */
must_check int tree_open(const char *directory, struct err *e);

bool tree_exists(int tree, const char *path);

/* A directory inside the tree as a descriptor that only names it (O_PATH), or -errno. */
must_check int tree_directory(int tree, const char *path, struct err *e);

/* Opens a regular file for reading. Returns a file descriptor or -errno. */
must_check int tree_file(int tree, const char *path, struct err *e);

/* Makes a directory and those above it (0755); `mode` is set on the last one, also when it exists
 * already. */
must_check int tree_mkdirs(int tree, const char *path, mode_t mode, struct err *e);

/* Creates or replaces a file, owned by root. Its directory must exist. Nothing is synced. */
must_check int tree_write(
    int tree, const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/* Reads a file of at most max_bytes; the caller frees *out, which a NUL follows. -ENOENT when there
 * is none. */
must_check int tree_read(
    int tree, const char *path, size_t max_bytes, char **out, size_t *len, struct err *e);

/* Removes a file or link; one that is not there is fine. */
must_check int tree_remove(int tree, const char *path, struct err *e);

/* Copies a file inside the tree to another path. */
must_check int tree_copy(int tree, const char *from, const char *to, mode_t mode, struct err *e);

must_check int tree_rename(int tree, const char *from, const char *to, struct err *e);

/* Everything of the file system at `path` is on the disk afterwards. syncfs() alone leaves FAT's
 * last writes in the disk's cache; fsync() of a directory sends the flush. */
must_check int tree_sync(int tree, const char *path, struct err *e);

/* Calls `each` with the name of every entry of a directory; a missing directory has none. Ends
 * early when it returns non-zero, with that value. */
int tree_list(int tree, const char *path, int (*each)(void *ctx, const char *name), void *ctx);

#endif
