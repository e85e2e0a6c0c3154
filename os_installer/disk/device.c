#include "os_installer/disk/device.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int device_open(const char *path, int flags, struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags);

	if (fd < 0 && errno == EBUSY)
		return err_errno(e, "%s is in use", path);
	return fd < 0 ? err_errno(e, "cannot open %s for writing", path) : fd;
}

int device_write(int fd, const void *data, size_t len, uint64_t offset)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n <= 0)
			return -1;
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return fsync(fd);
}
