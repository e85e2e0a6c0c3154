#include <stdio.h>
#include <sys/ioctl.h>

#include "os_installer/base/command.h"
#include "os_installer/fs/fs.h"

/* Kernel interfaces without a header among those of the C library's. */
struct geometry {
	uint32_t block_bytes, rt_extent, ag_blocks, ag_count, log_blocks, sector_bytes, inode_bytes,
	    imax_percent;
	uint64_t data_blocks, rt_blocks, rt_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe_unit, stripe_width;
	int32_t version;
	uint32_t flags, log_sector_bytes, rt_sector_bytes, dir_block_bytes;
};
struct growth {
	uint64_t blocks;
	uint32_t imax_percent;
};
#define XFS_GEOMETRY _IOR('X', 100, struct geometry)
#define XFS_GROW _IOW('X', 110, struct growth)

/* Without what GRUB 2.06 (Debian 12) cannot read. */
static int make(const struct plan_partition *part, uint64_t bytes, struct err *e)
{
	char uuid[UUID_TEXT_SIZE + 8];
	const char *argv[] = {"mkfs.xfs", "-q", "-f", "-K", "-L", part->label, "-m", uuid, "-i",
	    "nrext64=0", part->path, NULL};

	(void)bytes;
	snprintf(uuid, sizeof(uuid), "uuid=%s", part->fs_uuid);
	return command_run(&(struct command){.argv = argv}, e);
}

static int grow(int fd, uint64_t bytes)
{
	struct geometry geometry;

	if (ioctl(fd, XFS_GEOMETRY, &geometry) < 0)
		return -1;
	struct growth growth = {
	    .blocks = bytes / geometry.block_bytes, .imax_percent = geometry.imax_percent};
	if (growth.blocks <= geometry.data_blocks)
		return 0;
	return ioctl(fd, XFS_GROW, &growth);
}

const struct fs_kind fs_xfs = {
    .name = "xfs",
    .gpt_type = FS_GPT_LINUX,
    .make = make,
    .growing_program = "xfs_growfs",
    .growing_package = "xfsprogs",
    .grow = grow,
};
