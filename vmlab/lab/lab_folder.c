#include "vmlab/lab/lab_folder.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"

void lab_folder_id(const char *vms_dir, char id[LAB_FOLDER_ID_SIZE])
{
	const char *slash = strrchr(vms_dir, '/');
	size_t len = slash && slash > vms_dir ? (size_t)(slash - vms_dir) : 1;
	_cleanup_free_ char *parent = slash ? strndup(vms_dir, len) : NULL;
	const char *name = slash ? slash + 1 : vms_dir;
	uint32_t hash = 2166136261U; /* FNV-1a: a name may hold what a label had better not */
	struct statx st;

	*id = '\0';
	if (!parent || statx(AT_FDCWD, parent, 0, STATX_INO | STATX_BTIME, &st) < 0)
		return;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	bool born = st.stx_mask & STATX_BTIME;
	snprintf(id, LAB_FOLDER_ID_SIZE, "%" PRIx64 "-%" PRIx64 ".%09u-%08" PRIx32,
	    (uint64_t)st.stx_ino, born ? (uint64_t)st.stx_btime.tv_sec : 0,
	    born ? st.stx_btime.tv_nsec : 0, hash);
}

bool lab_folder_is(const char *label, const char *path, const char *vms_dir, const char *id)
{
	if (label && *label && *id)
		return strcmp(label, id) == 0;
	return path && strcmp(path, vms_dir) == 0;
}
