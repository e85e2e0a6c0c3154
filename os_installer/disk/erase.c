#include "os_installer/disk/erase.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#define PIECE_BYTES (1U << 20)

static int zeros_write(int fd, const char *path, uint64_t offset, uint64_t len, struct err *e)
{
	_cleanup_free_ char *zeros = calloc(1, PIECE_BYTES);

	if (!zeros)
		return err_set(e, ENOMEM, "out of memory");
	while (len > 0) {
		ssize_t n = pwrite(fd, zeros, len < PIECE_BYTES ? len : PIECE_BYTES, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(
			    e, "cannot write to %s at byte %llu", path, (unsigned long long)offset);
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Most disks zero a range by themselves, in no time. */
static int range_erase(int fd, const char *path, uint64_t offset, uint64_t len, struct err *e)
{
	uint64_t range[2] = {offset, len};

	return ioctl(fd, BLKZEROOUT, range) == 0 ? 0 : zeros_write(fd, path, offset, len, e);
}

int disk_erase_edges(int fd, const char *path, uint64_t offset, uint64_t len, struct err *e)
{
	/* The first copy, at 64 KiB, is within the edge. */
	static const uint64_t btrfs_copies[] = {64ULL << 20, 256ULL << 30, 1ULL << 50};
	const uint64_t edge = DISK_EDGE_BYTES, copy = 4096;
	int r;

	if (len <= 2 * edge)
		return range_erase(fd, path, offset, len, e);
	if ((r = range_erase(fd, path, offset, edge, e)) < 0 ||
	    (r = range_erase(fd, path, offset + len - edge, edge, e)) < 0)
		return r;
	for (size_t i = 0; i < sizeof(btrfs_copies) / sizeof(*btrfs_copies); i++)
		if (btrfs_copies[i] + copy <= len - edge &&
		    (r = range_erase(fd, path, offset + btrfs_copies[i], copy, e)) < 0)
			return r;
	return 0;
}

int disk_erase_signatures(int fd, const char *path, struct err *e)
{
	blkid_probe pr = blkid_new_probe();
	int r = 0;

	if (!pr)
		return err_set(e, ENOMEM, "out of memory");
	if (blkid_probe_set_device(pr, fd, 0, 0) < 0) {
		r = err_set(e, EIO, "cannot look for old signatures on %s", path);
		goto out;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(
	    pr, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	for (int n = 0; n < 64 && blkid_do_probe(pr) == 0; n++) {
		const char *type = NULL;
		if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) < 0)
			blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL);
		log_debug("erasing an old signature device=%s type=%s", path, type ? type : "?");
		if (blkid_do_wipe(pr, 0) < 0) {
			r = err_set(e, EIO, "cannot erase an old signature on %s", path);
			break;
		}
	}
out:
	blkid_free_probe(pr);
	return r;
}
