#include "vmlab/lab/readable.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"

#define LEVELS 3 /* images/<distro>/<arch>/ */

int readable_mkdir(const char *path, struct err *e)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : err_errno(e, "cannot create the folder %s", path);
	if (chmod(path, 0755) < 0)
		return err_errno(e, "cannot make the folder %s readable", path);
	return 0;
}

bool readable_complaint(const char *path, char *buf, size_t size)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	mode_t wanted = S_ISDIR(st.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
	if ((!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) || (st.st_mode & wanted) == wanted)
		return false;
	snprintf(buf, size, "the stack cannot read %s, whose mode is %04o: `chmod %s %s`", path,
	    (unsigned)st.st_mode & 07777, S_ISDIR(st.st_mode) ? "a+rx" : "a+r", path);
	return true;
}

static bool below(const char *folder, int levels, char *buf, size_t size)
{
	_cleanup_closedir_ DIR *d = opendir(folder);
	const struct dirent *entry;

	if (readable_complaint(folder, buf, size))
		return true;
	while (levels > 0 && d && (entry = readdir(d))) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.' || n < 0 || n >= (int)sizeof(path))
			continue;
		if (entry->d_type == DT_DIR ? below(path, levels - 1, buf, size)
					    : readable_complaint(path, buf, size))
			return true;
	}
	return false;
}

bool readable_folder_complaint(const char *folder, char *buf, size_t size)
{
	return below(folder, 1, buf, size);
}

bool readable_images_complaint(const char *images_dir, char *buf, size_t size)
{
	return below(images_dir, LEVELS, buf, size);
}
