#include "vmlab/lab/lab_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "vmlab/lab/host.h"
#include "vmlab/lab/lab_console.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"

#define LOCK_POLL_MS 100
#define HOLDER_MAX 300

int lab_dir_ensure(const struct lab *lab, struct err *e)
{
	_cleanup_free_ char *copy = strdup(lab->dir);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		int code = mkdir(copy, 0700) < 0 ? errno : 0;
		if (code == EACCES)
			return err_set(e, EACCES,
			    "the folder %s of lab \"%s\" is closed to you: work on this lab as the user it belongs to, or as root (sudo); a lab of your own can have its folder elsewhere with VMLAB_HOME",
			    lab->dir, lab->name);
		if (code && code != EEXIST)
			return err_errno(e,
			    "cannot create the lab's own folder %s (set VMLAB_HOME to use another)",
			    copy);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static char *path_of(const struct lab *lab, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", lab->dir, name) < 0 ? NULL : path;
}

/* ---- the lock -------------------------------------------------------------------------------- */

/* "`vmlab up web1` (process 123)", as the holder wrote it. */
static void holder(int fd, char text[HOLDER_MAX])
{
	ssize_t n = pread(fd, text, HOLDER_MAX - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	text_clean_string(text, "");
	if (!*text)
		snprintf(text, HOLDER_MAX, "another command");
}

static int wait_for_it(const struct lab *lab, int fd, int64_t timeout_ms, FILE *out, struct err *e)
{
	int64_t begin = monotonic_ms();
	char who[HOLDER_MAX], told[HOLDER_MAX] = "", took[HUMAN_TEXT_SIZE];

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(e, "cannot lock %s/lock", lab->dir);
		holder(fd, who);
		if (interrupt_pending())
			return err_set(e, EINTR, "interrupted while waiting for %s", who);
		if (monotonic_ms() - begin >= timeout_ms)
			return err_set(e, EBUSY,
			    "%s still works on lab \"%s\" after %s: wait for it, or end it", who,
			    lab->name, human_duration(timeout_ms, took));
		if (strcmp(who, told) != 0) {
			fprintf(
			    out, "lab: waits for %s, which works on lab \"%s\"\n", who, lab->name);
			fflush(out);
			snprintf(told, sizeof(told), "%s", who);
		}
		interrupt_sleep_ms(LOCK_POLL_MS);
	}
	return 0;
}

static bool is_at(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int refused(const struct lab *lab, struct err *e)
{
	struct stat st;

	if (errno == EACCES && stat(lab->dir, &st) == 0 && st.st_uid != geteuid())
		return err_set(e, EACCES,
		    "lab \"%s\" belongs to another user (number %u): work on it as that user, or as root (sudo)",
		    lab->name, (unsigned)st.st_uid);
	return err_errno(e, "cannot open %s/lock", lab->dir);
}

int lab_dir_lock(const struct lab *lab, const char *command, int64_t timeout_ms, FILE *out,
    int *fd_out, struct err *e)
{
	_cleanup_free_ char *path = path_of(lab, "lock");
	char text[HOLDER_MAX];

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	_cleanup_close_ int fd = -1;
	int r;
	do { /* who had it may have removed it with the lab */
		cleanup_close(&fd);
		fd = -1;
		r = lab_dir_ensure(lab, e);
		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != ENOENT)
			return refused(lab, e);
		r = fd < 0 ? 0 : wait_for_it(lab, fd, timeout_ms, out, e);
		if (r < 0)
			return r;
	} while (fd < 0 || !is_at(fd, path));
	int n =
	    snprintf(text, sizeof(text), "`vmlab %.200s` (process %d)\n", command, (int)getpid());
	/* Only for others to read: that it may fail is no reason not to work. */
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) < 0)
		errno = 0;
	*fd_out = steal_fd(&fd);
	return r;
}

void lab_dir_forget(const struct lab *lab)
{
	static const char *const names[] = {"api.sock", "dashboard.sock", "dashboard.html", "token",
	    "port", "settings", "holders", "stopping", "lock"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		_cleanup_free_ char *path = path_of(lab, names[i]);
		if (path)
			unlink(path);
	}
	lab_console_forget_all(lab);
	rmdir(lab->dir);
}

/* ---- the port -------------------------------------------------------------------------------- */

int lab_dir_choose_port(struct lab *lab, struct err *e)
{
	_cleanup_free_ char *path = path_of(lab, "port"), *old = NULL;
	struct err ignored = ERR_INIT;
	char text[16];
	size_t len;

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	int port = file_read(path, sizeof(text), &old, &len, &ignored) < 0 ? 0 : atoi(old);
	if (port < 1 || port > 65535 || !host_port_free(port))
		port = host_find_free_port();
	if (port <= 0)
		return err_set(e, EADDRINUSE,
		    "no free port is found on 127.0.0.1 for the lab's API: name one with --port");
	snprintf(text, sizeof(text), "%d\n", port);
	int r = atomic_file_replace(path, text, strlen(text), 0600, e);
	if (r >= 0)
		lab->port = port;
	return r < 0 ? r : 0;
}
