#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "os_installer/base/command.h"
#include "os_installer/fs/fs.h"

/* mkfs.ext4 fixes the number of inodes, by the size alone: an image of many small files needs more.
 */
#define BYTES_PER_INODE 16384
#define SPARE_INODES 1024

/* A kernel interface without a header among those of the C library's. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

/* Without the two features that boot loaders and fsck of older distributions do not know. The
 * tables are zeroed by the installed system when it is idle, not now. */
static int make(const struct plan_partition *part, uint64_t bytes, struct err *e)
{
	uint64_t inodes = part->entries + part->entries / 8 + SPARE_INODES;
	bool more = inodes > bytes / BYTES_PER_INODE;
	char number[24];
	const char *argv[] = {"mkfs.ext4", "-q", "-F", "-L", part->label, "-U", part->fs_uuid, "-O",
	    "^metadata_csum_seed,^orphan_file", "-E",
	    "lazy_itable_init=1,lazy_journal_init=1,nodiscard", more ? "-N" : part->path,
	    more ? number : NULL, part->path, NULL};

	snprintf(number, sizeof(number), "%" PRIu64, inodes);
	return command_run(&(struct command){.argv = argv}, e);
}

static int grow(int fd, uint64_t bytes)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return -1;
	uint64_t blocks = bytes / (uint64_t)st.f_bsize;
	/* Nothing to do is refused by some kernels. */
	return ioctl(fd, EXT4_RESIZE, &blocks) < 0 && errno != EINVAL ? -1 : 0;
}

static int grow_unmounted(const char *device, struct err *e)
{
	/* -f: it was written a moment ago, no check is due. */
	const char *argv[] = {"resize2fs", "-f", device, NULL};

	return command_run(&(struct command){.argv = argv, .timeout_s = 1800}, e);
}

const struct fs_kind fs_ext4 = {
    .name = "ext4",
    .gpt_type = FS_GPT_LINUX,
    .make = make,
    /* A fresh file system that does not boot before the end needs no ordering and no early commits.
     */
    .install_options = "noinit_itable,data=writeback,commit=300",
    .root_options = "errors=remount-ro",
    .checked = true,
    .grow = grow,
    .grow_unmounted = grow_unmounted,
    .grow_unmounted_program = "resize2fs",
};
