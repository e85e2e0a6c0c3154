#include "os_installer/base/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define MOUNTED "/run/os-installer-cgroup"
#define OWN_SIZE 256
#define NAP_MS 10

/* Of our own, so that it does not matter where this system has its. */
static int mount_all(struct err *e)
{
	struct statfs fs;

	if (statfs(MOUNTED, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return 0;
	if ((mkdir(MOUNTED, 0700) < 0 && errno != EEXIST) ||
	    mount("cgroup2", MOUNTED, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_errno(e, "this kernel has no control groups of version 2 for it");
	return 0;
}

/* "0::/path" is the line of version 2; its path, in `line`. NULL: there is none, or a longer one.
 */
static char *own_path(char line[OWN_SIZE])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");

	while (f && fgets(line, OWN_SIZE, f)) {
		char *end = strchr(line, '\n');
		if (!end || strncmp(line, "0::/", 4) != 0)
			continue;
		*end = '\0';
		return line + 3;
	}
	return NULL;
}

int cgroup_open(const char *name, char path[CGROUP_PATH_SIZE], struct err *e)
{
	char line[OWN_SIZE], *own = own_path(line);
	int r = mount_all(e);

	if (r < 0)
		return r;
	if (!own)
		return err_set(
		    e, ENOENT, "this program is in no control group, by /proc/self/cgroup");
	/* A program that is in such a group itself belongs to one of before. */
	char *end = strrchr(own, '/');
	if (strcmp(end + 1, name) == 0)
		*end = '\0';
	snprintf(path, CGROUP_PATH_SIZE, MOUNTED "%s/%s", strcmp(own, "/") == 0 ? "" : own, name);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make the control group %s", path);
	return 0;
}

static int put(const char *path, const char *file, const char *text)
{
	char name[CGROUP_PATH_SIZE + 32];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -errno;
}

int cgroup_join(const char *path, struct err *e)
{
	return put(path, "cgroup.procs", "0") == 0
		   ? 0
		   : err_errno(e, "cannot enter the control group %s", path);
}

/* Those in it; each gets SIGKILL where `end` says so. */
static unsigned each_process(const char *path, bool end)
{
	char name[CGROUP_PATH_SIZE + 32];
	unsigned count = 0;
	int pid;

	snprintf(name, sizeof(name), "%s/cgroup.procs", path);
	_cleanup_fclose_ FILE *f = fopen(name, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		count++;
		if (end && pid > 0)
			kill(pid, SIGKILL);
	}
	return count;
}

unsigned cgroup_end(const char *path, int64_t patience_ms, unsigned *left)
{
	int64_t deadline = monotonic_ms() + patience_ms;
	unsigned first = each_process(path, false);

	*left = first;
	while (*left > 0) {
		/* At once, before one can start another; kernels before 5.14 have only the list. */
		if (put(path, "cgroup.kill", "1") < 0)
			(void)each_process(path, true);
		*left = each_process(path, false);
		if (*left > 0 && monotonic_ms() >= deadline)
			break;
		if (*left > 0)
			sleep_ms(NAP_MS);
	}
	return first;
}
