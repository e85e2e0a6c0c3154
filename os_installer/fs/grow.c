#include "os_installer/fs/grow.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* Kernel interfaces without a header among those of the C library's. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

struct xfs_geometry {
	uint32_t block_bytes, rt_extent, ag_blocks, ag_count, log_blocks, sector_bytes, inode_bytes,
	    imax_percent;
	uint64_t data_blocks, rt_blocks, rt_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe_unit, stripe_width;
	int32_t version;
	uint32_t flags, log_sector_bytes, rt_sector_bytes, dir_block_bytes;
};
struct xfs_growth {
	uint64_t blocks;
	uint32_t imax_percent;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW _IOW('X', 110, struct xfs_growth)

int grow_probe(const char *device, char fs[32], struct err *e)
{
	const char *type = NULL;
	blkid_probe pr = blkid_new_probe_from_filename(device);

	if (!pr)
		return err_errno(e, "cannot read %s", device);
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
	int r = GROW_UNKNOWN;
	if (blkid_do_safeprobe(pr) == 0 && blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0) {
		snprintf(fs, 32, "%s", type);
		r = 0;
	}
	blkid_free_probe(pr);
	return r;
}

static int grow_ext4(int fd, uint64_t bytes)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return -1;
	uint64_t blocks = bytes / (uint64_t)st.f_bsize;
	/* Nothing to do is refused by some kernels. */
	return ioctl(fd, EXT4_RESIZE, &blocks) < 0 && errno != EINVAL ? -1 : 0;
}

static int grow_xfs(int fd, uint64_t bytes)
{
	struct xfs_geometry geometry;

	if (ioctl(fd, XFS_GEOMETRY, &geometry) < 0)
		return -1;
	struct xfs_growth growth = {
	    .blocks = bytes / geometry.block_bytes, .imax_percent = geometry.imax_percent};
	if (growth.blocks <= geometry.data_blocks)
		return 0;
	return ioctl(fd, XFS_GROW, &growth);
}

static int grow_btrfs(int fd, uint64_t bytes)
{
	struct btrfs_ioctl_vol_args args = {.name = "max"};

	(void)bytes;
	return ioctl(fd, BTRFS_IOC_RESIZE, &args);
}

int grow_mounted(const char *fs, const char *where, uint64_t bytes, struct err *e)
{
	static const struct {
		const char *name;
		int (*grow)(int fd, uint64_t bytes);
	} kinds[] = {{"ext4", grow_ext4}, {"xfs", grow_xfs}, {"btrfs", grow_btrfs}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kinds[i].name, fs) != 0)
			continue;
		_cleanup_close_ int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || kinds[i].grow(fd, bytes) < 0)
			return err_errno(e, "cannot grow the %s file system on %s", fs, where);
		return 0;
	}
	return GROW_UNKNOWN;
}
