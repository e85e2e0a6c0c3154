#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "vmlab/image/adopt.h"
#include "vmlab/image/import.h"

/* A kernel, packed and unpacked, zstd's tables and libarchive's; the stack has 512 MiB in all. */
#ifndef __SANITIZE_ADDRESS__
#define MEMORY_MAX (256 << 20)
#endif
#define NICENESS 10
#define STOP_MAX_MS 5000

/* ---- in the child ------------------------------------------------------------------------- */

static volatile sig_atomic_t cancelled;

static void on_signal(int number)
{
	(void)number;
	cancelled = 1;
}

struct reading {
	int fd;
	const struct adopted *source;
};

/* What was read has to be what lies there now, under that name. */
static int unchanged(void *ctx, struct err *e)
{
	const struct reading *r = ctx;
	struct adopted now = *r->source;

	if (fstat(r->fd, &now.st) < 0)
		return err_errno(e, "it cannot be read");
	if (!adopted_same(&now, r->source))
		return err_set(e, EAGAIN, "it changed while it was read");
	return 0;
}

static int read_it(const struct image_adopt *a, const char *distro, enum vm_arch arch,
    const struct adopted *source, struct err *e)
{
	struct image_progress progress;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	int n = snprintf(
	    path, sizeof(path), "%s/%s/%s/%s", a->images_dir, distro, source->folder, source->file);
	if (n < 0 || n >= (int)sizeof(path))
		return err_set(e, ENAMETOOLONG, "its path is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "it cannot be read");
	image_progress_init(&progress);
	progress.silent = true;
	struct reading r = {fd, source};
	struct image_import in = {.images_dir = a->made_dir,
	    .name = distro,
	    .arch = arch,
	    .fd = fd,
	    .size_bytes = (uint64_t)source->st.st_size,
	    .adopt = source,
	    .progress = &progress,
	    .cancel = &cancelled,
	    .confirm = unchanged,
	    .ctx = &r};
	return image_import(&in, e);
}

/* The sanitizers of a test build take terabytes. */
static void bound_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	if (setrlimit(RLIMIT_DATA, &(struct rlimit){MEMORY_MAX, MEMORY_MAX}) < 0)
		log_warn("the reader's memory cannot be bounded: %s", strerror(errno));
#endif
}

_Noreturn static void child(const struct image_adopt *a, const char *distro, enum vm_arch arch,
    const struct adopted *source, pid_t parent, int out)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct err e = ERR_INIT;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	process_end_with(parent, SIGTERM);
	if (nice(NICENESS) < 0)
		log_debug("the reader is not nice: %s", strerror(errno));
	bound_memory();
	if (read_it(a, distro, arch, source, &e) == 0)
		_exit(EXIT_SUCCESS);
	if (write(out, &e, sizeof(e)) != sizeof(e))
		_exit(EXIT_FAILURE + 1);
	_exit(EXIT_FAILURE);
}

/* ---- its parent --------------------------------------------------------------------------- */

int image_adopt_read_start(struct image_adopt_read *r, const struct image_adopt *a,
    const char *distro, enum vm_arch arch, const struct adopted *source, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "no pipe for the reader");
	fflush(NULL);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child(a, distro, arch, source, parent, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_errno(e, "the reader cannot be started");
	}
	*r = (struct image_adopt_read){pid, ends[0]};
	return 0;
}

int image_adopt_read_poll(struct image_adopt_read *r, struct err *e)
{
	_cleanup_close_ int fd = -1;
	int status;

	int pid = waitpid(r->pid, &status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return 1;
	r->pid = 0;
	fd = steal_fd(&r->fd);
	if (pid < 0)
		return err_errno(e, "the reader is gone");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE &&
	    read(fd, e, sizeof(*e)) == sizeof(*e) && e->code > 0) {
		e->msg[sizeof(e->msg) - 1] = '\0';
		return -e->code;
	}
	return err_set(e, EBADMSG, "the program that reads it ended by itself (%s %d)",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void image_adopt_read_stop(struct image_adopt_read *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGTERM);
	/* One that was told just before it waits for a file to open does not notice. */
	for (int ms = 0; waitpid(r->pid, NULL, WNOHANG) == 0; ms += 10) {
		if (ms >= STOP_MAX_MS)
			kill(r->pid, SIGKILL);
		usleep(10000);
	}
	close(steal_fd(&r->fd));
	r->pid = 0;
}
