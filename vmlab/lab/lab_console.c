#include "vmlab/lab/lab_console.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/machine/console.h"

static char *path_of(const struct lab *lab)
{
	char *path;

	return asprintf(&path, "%s%s", lab->dir, LAB_CONSOLES) < 0 ? NULL : path;
}

/* -1: there is none. */
static int open_all(const struct lab *lab)
{
	_cleanup_free_ char *path = path_of(lab);

	return path ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

static int ensure(int at, const char *name, mode_t mode)
{
	if (mkdirat(at, name, mode) < 0)
		return errno == EEXIST ? 0 : -1;
	return fchmodat(at, name, mode, 0); /* whatever the umask is */
}

int lab_console_ensure(const struct lab *lab, const struct mac *mac, struct err *e)
{
	_cleanup_free_ char *path = path_of(lab);
	char name[CONSOLE_NAME_SIZE];

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	if (ensure(AT_FDCWD, path, 0755) < 0)
		return err_errno(e, "cannot create the folder of consoles %s", path);
	if (!mac)
		return 0;
	_cleanup_close_ int all = open_all(lab);
	if (all < 0 || ensure(all, console_name(mac, name), 0777) < 0)
		return err_errno(e, "cannot create the console's folder %s/%s", path, name);
	return 0;
}

static void forget(int all, const char *name)
{
	static const char *const files[] = {CONSOLE_LOG, CONSOLE_KEYS, CONSOLE_KEYS_OUT};
	_cleanup_close_ int one =
	    openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; one >= 0 && i < sizeof(files) / sizeof(*files); i++)
		unlinkat(one, files[i], 0);
	unlinkat(all, name, AT_REMOVEDIR);
}

void lab_console_forget(const struct lab *lab, const struct mac *mac)
{
	_cleanup_close_ int all = open_all(lab);
	char name[CONSOLE_NAME_SIZE];

	if (all >= 0)
		forget(all, console_name(mac, name));
}

void lab_console_forget_all(const struct lab *lab)
{
	_cleanup_free_ char *path = path_of(lab);
	int fd = open_all(lab);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			forget(fd, entry->d_name);
	if (path)
		rmdir(path);
}
