#include "lib/base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

/* Reads until `used` is `want`, or the file ends: for a regular file that is where it ended
 * before, at `expected`, if a read stops right there. */
static int read_more(int fd, char *buf, size_t want, size_t expected, size_t *used)
{
	while (*used < want) {
		ssize_t n = read(fd, buf + *used, want - *used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*used += (size_t)n;
		if (n == 0 || (*used < want && *used == expected))
			break;
	}
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* O_NONBLOCK: opening a FIFO returns at once, and fstat() then tells what it is. */
#define OPEN_READ (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Takes over `opened`, which may be less than 0: errno tells why. */
static int want_regular(int opened, const char *path, struct stat *st, struct err *e)
{
	_cleanup_close_ int fd = opened;

	if (fd < 0)
		return err_errno(e, "%s cannot be opened", path);
	if (fstat(fd, st) < 0)
		return err_errno(e, "%s cannot be examined", path);
	if (!S_ISREG(st->st_mode))
		return err_set(e, EINVAL, "%s is not a regular file", path);
	return steal_fd(&fd);
}

static int open_regular(const char *path, struct stat *st, struct err *e)
{
	return want_regular(open(path, OPEN_READ), path, st, e);
}

static int read_whole(int fd, const struct stat *st, const char *path, size_t max_bytes, char **out,
    size_t *len, struct err *e)
{
	if (st->st_size > 0 && (uintmax_t)st->st_size > max_bytes)
		return err_set(e, EFBIG, "%s has %jd bytes; at most %zu are read", path,
		    (intmax_t)st->st_size, max_bytes);

	/* st_size is a hint: files of /proc say 0, others grow while they are read. */
	size_t expected = st->st_size > 0 ? (size_t)st->st_size : 0;
	size_t room = expected ? expected : 4096, used = 0;
	_cleanup_free_ char *buf = NULL;
	for (;;) {
		/* One byte more than there is room for shows whether the file ends here. */
		room = room < max_bytes ? room : max_bytes;
		char *grown = realloc(buf, room + 2);
		if (!grown)
			return err_set(e, ENOMEM, "%s cannot be read: out of memory", path);
		buf = grown;
		int rc = read_more(fd, buf, room + 1, expected, &used);
		if (rc < 0) {
			errno = -rc;
			return err_errno(e, "%s cannot be read", path);
		}
		if (used <= room)
			break;
		if (room == max_bytes)
			return err_set(e, EFBIG, "%s has more than the %zu bytes that are read",
			    path, max_bytes);
		room *= 2;
	}
	buf[used] = '\0';
	*len = used;
	*out = steal_ptr(buf);
	return 0;
}

int file_read(const char *path, size_t max_bytes, char **out, size_t *len, struct err *e)
{
	struct stat st;
	_cleanup_close_ int fd = open_regular(path, &st, e);

	return fd < 0 ? fd : read_whole(fd, &st, path, max_bytes, out, len, e);
}

/* Where that call is not known or not allowed, no link is followed at all. */
static int open_beneath(int folder, const char *name)
{
	const struct open_how how = {
	    .flags = OPEN_READ, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = strchr(name, '/') ? -1 : openat(folder, name, OPEN_READ | O_NOFOLLOW);
	return fd;
}

int file_read_beneath(
    const char *folder, const char *name, size_t max_bytes, char **out, size_t *len, struct err *e)
{
	_cleanup_close_ int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (dir < 0)
		return err_errno(e, "%s cannot be opened", path);
	int opened = open_beneath(dir, name);
	if (opened < 0 && (errno == EXDEV || errno == ELOOP))
		return err_set(e, EXDEV,
		    "%s is a link, or behind one, that leads out of its folder and is not followed: put the file itself there",
		    path);
	_cleanup_close_ int fd = want_regular(opened, path, &st, e);
	return fd < 0 ? fd : read_whole(fd, &st, path, max_bytes, out, len, e);
}

/* True when the file is there with these bytes and this mode. */
static bool holds_already(const char *path, const void *data, size_t len, mode_t mode)
{
	struct stat st;
	_cleanup_close_ int fd = open_regular(path, &st, NULL);
	char buf[16384];
	const char *want = data;
	size_t got;

	if (fd < 0 || (uintmax_t)st.st_size != len || (st.st_mode & 07777) != mode)
		return false;
	while (len > 0) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);
		got = 0;
		if (read_more(fd, buf, n, n, &got) < 0 || got != n || memcmp(buf, want, n) != 0)
			return false;
		want += n;
		len -= n;
	}
	return true;
}

static int sync_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	else
		strcpy(dir, ".");
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s cannot be opened", dir);
	/* Some file systems cannot sync a directory and say so; then there is nothing to do. */
	if (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP)
		return err_errno(e, "%s cannot be synced", dir);
	return 0;
}

static int write_temporary(int fd, const void *data, size_t len, mode_t mode)
{
	int rc = write_all(fd, data, len);

	if (rc == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Not every file system can rename so; those that cannot have links. */
static int rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return link(from, to) < 0 ? -1 : unlink(from);
}

static int write_beside(const char *path, const void *data, size_t len, mode_t mode,
    int (*take_place)(const char *from, const char *to), struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	char temporary[PATH_MAX];

	/* A leading dot: whoever watches the folder for names does not see it. */
	int n = snprintf(
	    temporary, sizeof(temporary), "%.*s.%s.XXXXXX", (int)(base - path), path, base);
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return err_set(e, ENAMETOOLONG, "%s cannot be written: its path is too long", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s cannot be written", path);

	int rc = write_temporary(fd, data, len, mode);
	if (rc == 0 && take_place(temporary, path) < 0)
		rc = -errno;
	if (rc < 0) {
		unlink(temporary);
		errno = -rc;
		return err_errno(e, "%s cannot be written", path);
	}
	return sync_parent(path, e);
}

int atomic_file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	if (holds_already(path, data, len, mode))
		return ATOMIC_FILE_UNCHANGED;
	return write_beside(path, data, len, mode, rename, e);
}

int atomic_file_create(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	return write_beside(path, data, len, mode, rename_new, e);
}
