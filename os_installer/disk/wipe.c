#include "os_installer/disk/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "os_installer/disk/device.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/scan.h"

#define ALIGNMENT 4096U
#define PIECE_BYTES (4U << 20)
#define DISCARD_BYTES (1ULL << 30)
#define LOOK_BYTES 4096U

int disk_wipe_discard(const struct disk *d, wipe_tick tick, void *ctx, struct err *e)
{
	if (disk_sys_number(d->name, "queue/discard_max_bytes") == 0)
		return err_set(e, ENOTSUP,
		    "disk %s takes no discard: order \"blocks\", which writes over all of it",
		    d->path);
	int r = disk_erase(d, e);
	_cleanup_close_ int fd = r < 0 ? r : device_open(d->path, O_EXCL, e);
	for (uint64_t at = 0; fd >= 0 && at < d->size_bytes;) {
		uint64_t left = d->size_bytes - at;
		uint64_t range[2] = {at, left < DISCARD_BYTES ? left : DISCARD_BYTES};
		if (ioctl(fd, BLKDISCARD, range) < 0)
			return err_errno(e, "disk %s did not discard the %llu bytes at %llu",
			    d->path, (unsigned long long)range[1], (unsigned long long)at);
		at += range[1];
		tick(ctx, at, d->size_bytes);
	}
	return fd < 0 ? fd : 0;
}

/* Past the page cache where that goes: else what is counted would be in memory only. */
static int open_direct(const char *path, struct err *e)
{
	int fd = device_open(path, O_EXCL | O_DIRECT, NULL);

	return fd >= 0 ? fd : device_open(path, O_EXCL, e);
}

static int zeros_write(
    int fd, const struct disk *d, const void *zeros, wipe_tick tick, void *ctx, struct err *e)
{
	for (uint64_t at = 0; at < d->size_bytes;) {
		uint64_t left = d->size_bytes - at;
		ssize_t n = pwrite(fd, zeros, left < PIECE_BYTES ? left : PIECE_BYTES, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(e,
			    "cannot write to %s at byte %llu: what follows there is as it was",
			    d->path, (unsigned long long)at);
		at += (uint64_t)n;
		tick(ctx, at, d->size_bytes);
	}
	return fsync(fd) < 0 ? err_errno(e, "cannot write to %s", d->path) : 0;
}

int disk_wipe_blocks(const struct disk *d, wipe_tick tick, void *ctx, struct err *e)
{
	_cleanup_free_ void *zeros = aligned_alloc(ALIGNMENT, PIECE_BYTES);

	if (!zeros)
		return err_set(e, ENOMEM, "out of memory");
	int r = disk_erase(d, e);
	_cleanup_close_ int fd = r < 0 ? r : open_direct(d->path, e);
	if (fd < 0)
		return fd;
	memset(zeros, 0, PIECE_BYTES);
	return zeros_write(fd, d, zeros, tick, ctx, e);
}

int disk_reads_zero(const struct disk *d, unsigned count, bool *zero, struct err *e)
{
	_cleanup_free_ char *buf = aligned_alloc(ALIGNMENT, LOOK_BYTES);
	_cleanup_close_ int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	uint64_t step = d->size_bytes / count / LOOK_BYTES * LOOK_BYTES;

	if (fd < 0)
		fd = open(d->path, O_RDONLY | O_CLOEXEC);
	if (!buf || fd < 0)
		return err_errno(e, "cannot read %s", d->path);
	*zero = true;
	for (unsigned i = 0; i < count; i++) {
		uint64_t at = i * step;
		ssize_t n = pread(fd, buf, LOOK_BYTES, (off_t)at);
		if (n < 0)
			return err_errno(
			    e, "cannot read %s at byte %llu", d->path, (unsigned long long)at);
		for (ssize_t k = 0; k < n; k++)
			*zero &= buf[k] == 0;
	}
	return 0;
}
