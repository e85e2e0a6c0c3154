#include "vmlab/engine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/ui/human.h"
#include "vmlab/ui/interrupt.h"

#define STDERR_MAX_BYTES (64 * 1024)

/* One end of a child's output on its way into memory. */
struct stream {
	int fd;
	char *data;
	size_t len;
	size_t max;
	bool truncated;
};

void process_result_clear(struct process_result *r)
{
	free(r->out);
	free(r->err);
	*r = (struct process_result)PROCESS_RESULT_INIT;
}

static int check(const struct argv *a, struct err *e)
{
	if (a->failed || a->count == 0)
		return err_set(e, ENOMEM, "out of memory while starting a program");
	return 0;
}

/* In the child: never returns. errno goes to `report_fd` when exec fails. */
static void child_exec(const struct argv *a, int out_fd, int err_fd, int report_fd)
{
	int null_fd = open("/dev/null", O_RDONLY);

	if (interrupt_installed())
		setpgid(0, 0);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	execvp(a->items[0], a->items);
	int code = errno;
	if (write(report_fd, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

static int stream_read(struct stream *s)
{
	char buf[16384];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	if (n == 0) {
		close(steal_fd(&s->fd));
		return 0;
	}
	size_t room = s->max - s->len;
	size_t take = (size_t)n < room ? (size_t)n : room;
	s->truncated |= take < (size_t)n;
	char *grown = realloc(s->data, s->len + take + 1);
	if (!grown)
		return -ENOMEM;
	s->data = grown;
	memcpy(s->data + s->len, buf, take);
	s->len += take;
	s->data[s->len] = '\0';
	return 1;
}

/* What a client takes, at most, to bring the engine its request. */
#define ASK_MS 1500
#define POLL_MS 200

/* Reads both streams to their ends. 0, -ETIMEDOUT, -EINTR or -errno. */
static int collect(struct stream *streams, int timeout_ms, bool interruptible)
{
	int64_t begin = monotonic_ms(), deadline = begin + timeout_ms;

	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		struct pollfd fds[2] = {
		    {.fd = streams[0].fd, .events = POLLIN},
		    {.fd = streams[1].fd, .events = POLLIN},
		};
		int64_t left = deadline - monotonic_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (interruptible && interrupt_pending() && monotonic_ms() - begin >= ASK_MS)
			return -EINTR;
		int n = poll(fds, 2, interruptible && left > POLL_MS ? POLL_MS : (int)left);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; n > 0 && i < 2; i++) {
			if (!fds[i].revents)
				continue;
			int r = stream_read(&streams[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static char *text_or_empty(struct stream *s)
{
	return s->data ? steal_ptr(s->data) : strdup("");
}

int process_capture(
    const struct argv *a, int timeout_ms, size_t max_bytes, struct process_result *r, struct err *e)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
	int failure = 0, result = check(a, e);

	if (result < 0)
		return result;
	process_result_clear(r);
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0) {
		result = err_errno(e, "cannot start %s", a->items[0]);
		goto close_all;
	}
	pid_t pid = fork();
	if (pid == 0)
		child_exec(a, out[1], err[1], report[1]);
	if (pid < 0) {
		result = err_errno(e, "cannot start %s", a->items[0]);
		goto close_all;
	}
	close(steal_fd(&out[1]));
	close(steal_fd(&err[1]));
	close(steal_fd(&report[1]));

	struct stream streams[2] = {
	    {.fd = steal_fd(&out[0]), .max = max_bytes},
	    {.fd = steal_fd(&err[0]), .max = STDERR_MAX_BYTES},
	};
	result = collect(streams, timeout_ms, a->interruptible);
	if (result < 0) {
		kill(pid, SIGKILL);
		if (result == -ETIMEDOUT)
			err_set(e, ETIMEDOUT, "%s %s did not end within %d s", a->items[0],
			    a->count > 1 ? a->items[1] : "", timeout_ms / 1000);
		else if (result == -EINTR)
			err_set(e, EINTR, "interrupted");
		else
			err_set(e, -result, "cannot read the output of %s: %s", a->items[0],
			    strerror(-result));
	}
	r->status = reap(pid);
	r->truncated = streams[0].truncated;
	r->out_len = streams[0].len;
	r->out = text_or_empty(&streams[0]);
	r->err = text_or_empty(&streams[1]);
	for (int i = 0; i < 2; i++) {
		cleanup_close(&streams[i].fd);
		free(streams[i].data);
	}
	if (result == 0 && read(report[0], &failure, sizeof(failure)) == sizeof(failure))
		result = err_set(e, failure, "cannot start %s: %s", a->items[0], strerror(failure));
	else if (result == 0 && (!r->out || !r->err))
		result = err_set(e, ENOMEM, "out of memory while running %s", a->items[0]);

close_all:
	for (int i = 0; i < 2; i++) {
		cleanup_close(&out[i]);
		cleanup_close(&err[i]);
		cleanup_close(&report[i]);
	}
	return result;
}

int process_exec(const struct argv *a, struct err *e)
{
	int r = check(a, e);

	if (r < 0)
		return r;
	execvp(a->items[0], a->items);
	return err_errno(e, "cannot start %s", a->items[0]);
}

int process_run(const struct argv *a, int *status, struct err *e)
{
	int r = check(a, e);

	if (r < 0)
		return r;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(a->items[0], a->items);
		_exit(127);
	}
	if (pid < 0)
		return err_errno(e, "cannot start %s", a->items[0]);
	*status = reap(pid);
	return 0;
}

bool process_available(const char *program)
{
	if (strchr(program, '/'))
		return access(program, X_OK) == 0;

	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *rest = copy, *dir;
	while (copy && (dir = strsep(&rest, ":"))) {
		_cleanup_free_ char *full = NULL;
		if (asprintf(&full, "%s/%s", *dir ? dir : ".", program) < 0)
			return false;
		if (access(full, X_OK) == 0)
			return true;
	}
	return false;
}
