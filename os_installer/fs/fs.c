#include "os_installer/fs/fs.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "os_installer/disk/disk.h"

/* The table: a kind is a file beside this one and a line here. */
#define KINDS(KIND)                                                                                \
	KIND(fs_ext4)                                                                              \
	KIND(fs_xfs)                                                                               \
	KIND(fs_btrfs)                                                                             \
	KIND(fs_vfat)                                                                              \
	KIND(fs_swap)

#define DECLARED(kind) extern const struct fs_kind kind;
#define LISTED(kind) &kind,
KINDS(DECLARED)
static const struct fs_kind *const kinds[] = {KINDS(LISTED)};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

const struct fs_kind *fs_find(const char *name)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

const struct fs_kind *fs_of(const struct plan_partition *part)
{
	return fs_find(storage_fs_name(part->fs));
}

const char *fs_gpt_type(const struct plan_partition *part)
{
	return fs_of(part)->gpt_type;
}

int fs_format(const struct plan *p, struct err *e)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		if (part->role == PLAN_BIOS_BOOT)
			continue;
		int r = fs_of(part)->make(part, part->sectors * p->disk.sector_bytes, e);
		if (r < 0)
			return err_wrap(e, "cannot make the %s file system for %s on %s",
			    fs_of(part)->name, disk_place(part), part->path);
	}
	return 0;
}

int fs_probe(const char *device, char name[FS_NAME_SIZE], struct err *e)
{
	const char *type = NULL;
	blkid_probe pr = blkid_new_probe_from_filename(device);

	if (!pr)
		return err_errno(e, "cannot read %s", device);
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
	int r = FS_GROW_UNKNOWN;
	if (blkid_do_safeprobe(pr) == 0 && blkid_probe_lookup_value(pr, "TYPE", &type, NULL) == 0) {
		snprintf(name, FS_NAME_SIZE, "%s", type);
		r = 0;
	}
	blkid_free_probe(pr);
	return r;
}

int fs_grow(const struct fs_kind *kind, const char *where, uint64_t bytes, struct err *e)
{
	if (!kind || !kind->grow)
		return FS_GROW_UNKNOWN;
	_cleanup_close_ int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || kind->grow(fd, bytes) < 0)
		return err_errno(e, "cannot grow the %s file system on %s", kind->name, where);
	return 0;
}

const char *fs_root_names(char *buf, size_t size)
{
	size_t count = 0, n = 0, used = 0;

	for (size_t i = 0; i < KIND_COUNT; i++)
		count += kinds[i]->root;
	buf[0] = '\0';
	for (size_t i = 0; i < KIND_COUNT && used < size; i++)
		if (kinds[i]->root) {
			const char *before = n == 0 ? "" : n + 1 == count ? " or " : ", ";
			used += (size_t)snprintf(
			    buf + used, size - used, "%s%s", before, kinds[i]->name);
			n++;
		}
	return buf;
}
