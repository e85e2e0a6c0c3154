/* tftp_beneath.c - for dnsmasq (LD_PRELOAD), which follows every link in the folders that it serves
 * by TFTP, and has no setting that keeps it from that.
 *
 *	TFTP_BENEATH=SERVED:FOLDER...
 *
 * A file that is opened below SERVED must itself lie below one of these. Judged by the open file:
 * whoever changes a link meanwhile changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_below(const char *path, const char *folder, size_t len)
{
	return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/';
}

static bool may_be_served(int fd, const char *folders)
{
	char link[40], is[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t got = readlink(link, is, sizeof(is));
	if (got <= 0 || got == sizeof(is))
		return false;
	is[got] = '\0';
	for (const char *p = folders;; p++) {
		size_t len = strcspn(p, ":");
		if (is_below(is, p, len))
			return true;
		p += len;
		if (!*p)
			return false;
	}
}

static int open_checked(const char *path, int flags, mode_t mode)
{
	const char *folders = getenv("TFTP_BENEATH");
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);

	if (fd < 0 || !folders || !is_below(path, folders, strcspn(folders, ":")) ||
	    may_be_served(fd, folders))
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

/* O_TMPFILE has O_DIRECTORY in it (open(2)). */
static bool takes_mode(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPENS(name)                                                                                \
	int name(const char *path, int flags, ...);                                                \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode_t mode = takes_mode(flags) ? va_arg(ap, mode_t) : 0;                          \
		va_end(ap);                                                                        \
		return open_checked(path, flags, mode);                                            \
	}
#pragma GCC diagnostic ignored "-Wredundant-decls"
#undef open
OPENS(open)
OPENS(open64)
