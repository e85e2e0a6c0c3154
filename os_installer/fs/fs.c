#include "os_installer/fs/fs.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/words.h"
#include "lib/machine/file_system.h"
#include "os_installer/disk/disk.h"

/* A file beside this one for each row of lib/machine/file_system.h. */
#define DECLARED(ID, name_, ...) extern const struct fs_kind fs_##name_;
#define LISTED(ID, name_, ...) &fs_##name_
#define NOTHING()
FILE_SYSTEMS(DECLARED, NOTHING)
static const struct fs_kind *const kinds[] = {FILE_SYSTEMS(LISTED, FS_COMMA)};

const struct fs_kind *fs_find(const char *name)
{
	int i = word_index(fs_word, name);

	return i < 0 ? NULL : kinds[i];
}

const struct fs_kind *fs_of(const struct plan_partition *part)
{
	return kinds[part->fs];
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
