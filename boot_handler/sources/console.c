#include "boot_handler/sources/console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/machine/console.h"

/* -1: none of the cards has one. */
static int open_folder(const struct console_of *of)
{
	_cleanup_close_ int root = of->root ? open(of->root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	char name[CONSOLE_NAME_SIZE];
	int fd = -1;

	for (unsigned i = 0; root >= 0 && fd < 0 && i < of->count; i++)
		fd = openat(root, console_name(&of->mac[i], name),
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

bool console_is_here(const struct console_of *of)
{
	_cleanup_close_ int folder = open_folder(of);

	return folder >= 0;
}

/* ---- what was printed -------------------------------------------------------------------- */

int console_open_log(const struct console_of *of)
{
	_cleanup_close_ int folder = open_folder(of);
	struct stat st;

	if (folder < 0)
		return -1;
	/* Not blocked by a FIFO. */
	_cleanup_close_ int fd =
	    openat(folder, CONSOLE_LOG, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return steal_fd(&fd);
}

bool console_log_is_gone(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}

uint64_t console_printed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

size_t console_read(int fd, uint64_t at, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size, (off_t)at);

	return n > 0 ? (size_t)n : 0;
}

uint64_t console_tail_at(int fd, size_t size)
{
	uint64_t printed = console_printed(fd);
	char first[4096];

	if (printed <= size)
		return 0;
	size_t n = console_read(fd, printed - size, first, sizeof(first));
	const char *end = memchr(first, '\n', n);
	return printed - size + (end ? (size_t)(end - first) + 1 : 0);
}

/* ---- what is typed ----------------------------------------------------------------------- */

/* -1: nobody reads. Opened so, it does not wait for a reader. */
static int open_keys(int folder)
{
	struct stat st;

	_cleanup_close_ int fd =
	    openat(folder, CONSOLE_KEYS, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -1;
	return steal_fd(&fd);
}

/* How much was taken. */
static size_t put(int fd, const char *bytes, size_t len)
{
	size_t taken = 0;

	while (taken < len) {
		size_t part = len - taken < PIPE_BUF ? len - taken : PIPE_BUF;
		ssize_t n = write(fd, bytes + taken, part);
		if (n < 0)
			break;
		taken += (size_t)n;
	}
	return taken;
}

int console_type(const struct console_of *of, const char *bytes, size_t len, struct err *e)
{
	_cleanup_close_ int folder = open_folder(of);
	if (folder < 0)
		return err_set(e, ENOENT, "its console is not here: it is no VM of this lab");
	_cleanup_close_ int fd = open_keys(folder);
	if (fd < 0)
		return err_set(
		    e, EBUSY, "it is not running, and nothing was typed: start it first");
	size_t taken = put(fd, bytes, len);
	if (taken < len)
		return err_set(e, EBUSY,
		    "it does not take what is typed: of %zu bytes the first %zu were taken, and the rest was not typed",
		    len, taken);
	return 0;
}

bool console_runs(const struct console_of *of)
{
	_cleanup_close_ int folder = open_folder(of);
	_cleanup_close_ int fd = folder < 0 ? -1 : open_keys(folder);

	return fd >= 0;
}
