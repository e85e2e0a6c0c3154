#include "os_installer/system/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define PATH_SIZE 1024
#define COPY_BYTES (1U << 20)

static int open_inside(int tree, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
	    .flags = (unsigned)flags | O_CLOEXEC,
	    .mode = flags & O_CREAT ? mode : 0,
	    .resolve = RESOLVE_IN_ROOT,
	};

	return (int)syscall(SYS_openat2, tree, path, &how, sizeof(how));
}

/* Opens the directory a path lies in; *name is its last part. */
static int parent_open(int tree, const char *path, const char **name)
{
	char dir[PATH_SIZE];
	const char *slash = strrchr(path, '/');

	if (!slash || !slash[1] || (size_t)(slash - path) >= sizeof(dir)) {
		errno = EINVAL;
		return -1;
	}
	*name = slash + 1;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return open_inside(tree, dir[0] ? dir : "/", O_PATH | O_DIRECTORY, 0);
}

int tree_open(const char *directory, struct err *e)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "cannot open %s", directory) : fd;
}

bool tree_exists(int tree, const char *path)
{
	_cleanup_close_ int fd = open_inside(tree, path, O_PATH, 0);

	return fd >= 0;
}

int tree_directory(int tree, const char *path, struct err *e)
{
	int fd = open_inside(tree, path, O_PATH | O_DIRECTORY, 0);

	return fd < 0 ? err_errno(e, "cannot open the directory %s", path) : fd;
}

int tree_file(int tree, const char *path, struct err *e)
{
	_cleanup_close_ int fd = open_inside(tree, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s is no regular file", path);
	return steal_fd(&fd);
}

int tree_mkdirs(int tree, const char *path, mode_t mode, struct err *e)
{
	char part[PATH_SIZE];

	for (const char *p = path + 1;; p++) {
		if (*p && *p != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		if (!tree_exists(tree, part)) {
			const char *name;
			_cleanup_close_ int dir = parent_open(tree, part, &name);
			if (dir < 0 || mkdirat(dir, name, 0755) < 0)
				return err_errno(e, "cannot make the directory %s", part);
		}
		if (!*p)
			break;
	}
	_cleanup_close_ int fd = open_inside(tree, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return err_errno(e, "cannot set the mode of %s", path);
	return 0;
}

static int write_whole(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A new file in place of whatever has its name; a link there is replaced, not followed. */
static int create(int tree, const char *path, mode_t mode)
{
	const char *name;
	_cleanup_close_ int dir = parent_open(tree, path, &name);

	if (dir < 0)
		return -1;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -1;
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* FAT knows no owners and modes. */
	if (fd >= 0 && ((fchown(fd, 0, 0) < 0 || fchmod(fd, mode) < 0) && errno != EPERM)) {
		close(fd);
		return -1;
	}
	return fd;
}

int tree_write(int tree, const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	int fd = create(tree, path, mode);

	if (fd < 0)
		return err_errno(e, "cannot create %s", path);
	int failed = write_whole(fd, data, len);
	int code = errno;
	if (close(fd) < 0 && !failed) {
		failed = -1;
		code = errno;
	}
	errno = code;
	return failed ? err_errno(e, "cannot write %s", path) : 0;
}

int tree_read(int tree, const char *path, size_t max_bytes, char **out, size_t *len, struct err *e)
{
	_cleanup_close_ int fd = open_inside(tree, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, "cannot read %s", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max_bytes)
		return err_set(e, EFBIG, "%s is no file of at most %zu bytes", path, max_bytes);
	_cleanup_free_ char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	size_t used = 0;
	while (used < (size_t)st.st_size) {
		ssize_t n = read(fd, text + used, (size_t)st.st_size - used);
		if (n < 0)
			return err_errno(e, "cannot read %s", path);
		if (n == 0)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	*len = used;
	*out = steal_ptr(text);
	return 0;
}

int tree_remove(int tree, const char *path, struct err *e)
{
	const char *name;
	_cleanup_close_ int dir = parent_open(tree, path, &name);

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (dir < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT))
		return err_errno(e, "cannot remove %s", path);
	return 0;
}

int tree_copy(int tree, const char *from, const char *to, mode_t mode, struct err *e)
{
	_cleanup_free_ char *buf = malloc(COPY_BYTES);
	_cleanup_close_ int in = open_inside(tree, from, O_RDONLY, 0);

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	if (in < 0)
		return err_errno(e, "cannot read %s", from);
	int out = create(tree, to, mode);
	if (out < 0)
		return err_errno(e, "cannot create %s", to);
	int r = 0;
	for (;;) {
		ssize_t n = read(in, buf, COPY_BYTES);
		if (n == 0)
			break;
		if (n < 0 || write_whole(out, buf, (size_t)n) < 0) {
			r = err_errno(e, "cannot copy %s to %s", from, to);
			break;
		}
	}
	if (close(out) < 0 && r == 0)
		r = err_errno(e, "cannot write %s", to);
	return r;
}

int tree_rename(int tree, const char *from, const char *to, struct err *e)
{
	const char *from_name, *to_name;
	_cleanup_close_ int from_dir = parent_open(tree, from, &from_name);
	_cleanup_close_ int to_dir = parent_open(tree, to, &to_name);

	if (from_dir < 0 || to_dir < 0 || renameat(from_dir, from_name, to_dir, to_name) < 0)
		return err_errno(e, "cannot rename %s to %s", from, to);
	return 0;
}

int tree_list(int tree, const char *path, int (*each)(void *ctx, const char *name), void *ctx)
{
	_cleanup_close_ int fd = open_inside(tree, path, O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (d)
		steal_fd(&fd); /* closedir() closes it */
	while (d && r == 0 && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = each(ctx, entry->d_name);
	return r;
}

int tree_sync(int tree, const char *path, struct err *e)
{
	_cleanup_close_ int dir = tree_directory(tree, path, e);

	if (dir < 0)
		return dir;
	/* Both want a descriptor that is more than a name. */
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0 || fsync(fd) < 0)
		return err_errno(e, "cannot write out the file system at %s", path);
	return 0;
}
