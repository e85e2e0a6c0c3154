#include "lib/image/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool image_file_is_linked(const char *folder, const char *file)
{
	const char *last = strrchr(folder, '/');
	enum vm_arch arch;
	char path[PATH_MAX];
	struct stat st;
	int steps = last && vm_arch_parse(last + 1, &arch) == 0 ? 3 : 2;

	for (const char *p = file; (p = strchr(p, '/')); p++)
		steps++;
	int n = snprintf(path, sizeof(path), "%s/%s", folder, file);
	for (bool fits = n > 0 && n < (int)sizeof(path); fits && steps > 0; steps--) {
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return true;
		char *slash = strrchr(path, '/');
		if (!slash || slash == path)
			break;
		*slash = '\0';
	}
	return false;
}

static bool is_there(const char *folder, const struct image_contents *c, char lack[IMAGE_LACK_SIZE])
{
	char path[PATH_MAX];
	struct stat st;

	if (!c->file)
		return true; /* the manifest names none */
	int n = snprintf(path, sizeof(path), "%s/%s", folder, c->file);
	/* nginx, which hands it out, is another user without rights of its own, too. */
	if (n > 0 && n < (int)sizeof(path) && access(path, R_OK) < 0 && errno == EACCES)
		snprintf(lack, IMAGE_LACK_SIZE,
		    "its file %s cannot be read by the stack: chmod -R a+rX the folder of images",
		    c->file);
	else if (n < 0 || n >= (int)sizeof(path) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		snprintf(lack, IMAGE_LACK_SIZE, "its file %s is missing", c->file);
	else if (image_file_is_linked(folder, c->file))
		snprintf(lack, IMAGE_LACK_SIZE,
		    "its file %s is a link or behind one, and links are not followed: put the file itself there",
		    c->file);
	else if ((uint64_t)st.st_size != c->size_bytes)
		snprintf(lack, IMAGE_LACK_SIZE,
		    "its file %s has %lld bytes, the manifest says %lld", c->file,
		    (long long)st.st_size, (long long)c->size_bytes);
	else
		return true;
	return false;
}

static bool boot_files_are_there(
    const char *folder, const struct image_manifest *m, char lack[IMAGE_LACK_SIZE])
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(&m->boot, files);

	for (size_t i = 0; i < count; i++)
		if (!is_there(folder, files[i], lack))
			return false;
	return true;
}

bool image_files_are_there(const char *rootfs_folder, const char *folder,
    const struct image_manifest *m, char lack[IMAGE_LACK_SIZE])
{
	if (m->boots)
		return boot_files_are_there(folder, m, lack);
	return is_there(rootfs_folder, &m->rootfs, lack) && is_there(folder, &m->kernel, lack) &&
	       is_there(folder, &m->modules, lack);
}
