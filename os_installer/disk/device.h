/* device.h - a block device opened for writing. Besides image.h nothing else here opens one; what
 * does are programs that make or grow file systems (fs/).
 */
#ifndef OS_INSTALLER_DISK_DEVICE_H
#define OS_INSTALLER_DISK_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* `flags`: O_EXCL or 0. Returns a file descriptor or -errno. */
must_check int device_open(const char *path, int flags, struct err *e);

/* Writes all of it and syncs. Returns 0, or -1 with errno. */
must_check int device_write(int fd, const void *data, size_t len, uint64_t offset);

#endif
