/* atomic_file.h - replace a file so that readers see the old or the new content, never a mix,
 * also after a power cut: written beside the target, fsynced, renamed, directory fsynced.
 */
#ifndef LIB_BASE_ATOMIC_FILE_H
#define LIB_BASE_ATOMIC_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

#define ATOMIC_FILE_UNCHANGED 1

/* Replaces `path` with `len` bytes at mode `mode` (umask does not apply). Returns 0 when replaced,
 * ATOMIC_FILE_UNCHANGED when the file already held exactly these bytes (nothing is written),
 * -errno on failure, and then the old file is untouched and no temporary file stays. */
must_check int atomic_file_replace(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/* Likewise makes a file that is not there. -EEXIST: it is. */
must_check int atomic_file_create(
    const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/* Reads a whole regular file of at most max_bytes into *out (caller frees; a NUL follows the data).
 * -EFBIG when larger; size read is stored in *len. Never blocks on a FIFO or device. */
must_check int file_read(
    const char *path, size_t max_bytes, char **out, size_t *len, struct err *e);

/* Likewise `name` below `folder`: -EXDEV when a link on the way to it leads out. */
must_check int file_read_beneath(
    const char *folder, const char *name, size_t max_bytes, char **out, size_t *len, struct err *e);

#endif
