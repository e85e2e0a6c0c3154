#include <linux/btrfs.h>
#include <sys/ioctl.h>

#include "os_installer/base/command.h"
#include "os_installer/fs/fs.h"

static int make(const struct plan_partition *part, uint64_t bytes, struct err *e)
{
	const char *argv[] = {"mkfs.btrfs", "-q", "-f", "-K", "-L", part->label, "-U",
	    part->fs_uuid, part->path, NULL};

	(void)bytes;
	return command_run(&(struct command){.argv = argv}, e);
}

static int grow(int fd, uint64_t bytes)
{
	struct btrfs_ioctl_vol_args args = {.name = "max"};

	(void)bytes;
	return ioctl(fd, BTRFS_IOC_RESIZE, &args);
}

/* Where distributions that boot from a subvolume keep their root. */
static const char *const roots[] = {
    "", "subvol=@", "subvol=root", "subvol=@rootfs", "subvol=@/.snapshots/1/snapshot", NULL};

const struct fs_kind fs_btrfs = {
    .name = "btrfs",
    .gpt_type = FS_GPT_LINUX,
    .make = make,
    .roots = roots,
    .growing_program = "btrfs",
    .growing_package = "btrfs-progs",
    .grow = grow,
};
