#include "os_installer/base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define EXIT_NO_PROGRAM 127
#define EXIT_NO_CHROOT 126

static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C",
    "TERM=dumb",
    "DEBIAN_FRONTEND=noninteractive",
    NULL,
};

struct line {
	char text[400];
	size_t used;
	char last[400];
	bool loud;
};

static void line_end(struct line *l, const char *program)
{
	l->text[l->used] = '\0';
	if (l->used > 0) {
		if (l->loud)
			log_info("%s: %s", program, l->text);
		else
			log_debug("%s: %s", program, l->text);
		strcpy(l->last, l->text);
	}
	l->used = 0;
}

static void line_feed(struct line *l, const char *program, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			line_end(l, program);
		else if (l->used < sizeof(l->text) - 1)
			l->text[l->used++] = data[i];
	}
}

static void child(const struct command *c, int out)
{
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	dup2(null >= 0 ? null : out, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (c->root && (chroot(c->root) < 0 || chdir("/") < 0))
		_exit(EXIT_NO_CHROOT);
	execvpe(c->argv[0], (char *const *)c->argv, (char *const *)environment);
	_exit(EXIT_NO_PROGRAM);
}

/* Reads until the program closed its output or the deadline passed. A daemon it left behind may
 * keep the pipe open, so the program's own end counts as well. Returns false on timeout. */
static bool output_drain(int fd, pid_t pid, int64_t deadline, struct line *l, const char *program,
    int *status, bool *reaped)
{
	char buf[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = poll(&p, 1, *reaped ? 0 : 200);
		if (n > 0) {
			ssize_t got = read(fd, buf, sizeof(buf));
			if (got <= 0)
				break;
			line_feed(l, program, buf, (size_t)got);
			continue;
		}
		if (*reaped)
			break;
		if (waitpid(pid, status, WNOHANG) == pid)
			*reaped = true;
		else if (monotonic_ms() > deadline)
			return false;
	}
	line_end(l, program);
	return true;
}

int command_run(const struct command *c, struct err *e)
{
	const char *slash = strrchr(c->argv[0], '/');
	const char *program = c->name ? c->name : slash ? slash + 1 : c->argv[0];
	struct line l = {.loud = c->loud};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, "cannot make a pipe");
	_cleanup_close_ int out = fds[0];
	pid_t pid = fork();
	if (pid < 0) {
		close(fds[1]);
		return err_errno(e, "cannot start %s", program);
	}
	if (pid == 0)
		child(c, fds[1]);
	close(fds[1]);
	setpgid(pid, pid);

	int status = 0;
	bool reaped = false;
	unsigned timeout_s = c->timeout_s ? c->timeout_s : 300;
	bool in_time = output_drain(
	    out, pid, monotonic_ms() + timeout_s * 1000LL, &l, program, &status, &reaped);
	if (!in_time)
		kill(-pid, SIGKILL);
	while (!reaped && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!in_time)
		return err_set(e, ETIMEDOUT, "%s did not finish within %u s", program, timeout_s);
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "%s was killed by signal %d", program, WTERMSIG(status));
	if (WEXITSTATUS(status) == EXIT_NO_PROGRAM && !l.last[0])
		return err_set(e, ENOENT, "there is no program %s%s", program,
		    c->root ? " in the installed system" : "");
	if (WEXITSTATUS(status) == EXIT_NO_CHROOT && !l.last[0])
		return err_set(e, EPERM, "cannot chroot into %s", c->root);
	if (WEXITSTATUS(status) != 0)
		return err_set(e, EIO, "%s failed with exit code %d%s%s", program,
		    WEXITSTATUS(status), l.last[0] ? ": " : "", l.last);
	return 0;
}
