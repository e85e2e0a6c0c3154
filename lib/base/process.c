#include "lib/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define STDERR_MAX_BYTES (64 * 1024)
#define LAST_WORDS_S 20

/* ---- in the child: only what signal-safety(7) allows ------------------------------------------
 */

/* Why there is no program, from the child through a pipe that exec closes. */
struct failure {
	int code;
	bool root;
};

static _Noreturn void give_up(int fd, bool root)
{
	struct failure f = {errno, root};

	_exit(write(fd, &f, sizeof(f)) < 0 ? 126 : 127);
}

void process_end_with(pid_t parent, int signal)
{
	prctl(PR_SET_PDEATHSIG, signal);
	if (getppid() != parent)
		raise(signal);
}

_Noreturn void process_end_like(int status)
{
	sigset_t all;

	if (WIFSIGNALED(status)) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(WTERMSIG(status), SIG_DFL);
		sigfillset(&all);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

static _Noreturn void become(const struct process *p, int report)
{
	int null = p->bond == PROCESS_GROUP ? open("/dev/null", O_RDONLY) : -1;

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (p->out)
		dup2(p->out, STDOUT_FILENO);
	if (p->err)
		dup2(p->err, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	if (p->root && (chroot(p->root) < 0 || chdir("/") < 0))
		give_up(report, true);
	execvpe(p->argv[0], (char *const *)p->argv,
	    p->environment ? (char *const *)p->environment : environ);
	give_up(report, false);
}

/* The first of the group, between us and the program: when we are gone, it ends the group. Else it
 * ends as the program does. A signal to the group is not for it. */
static _Noreturn void keep(const struct process *p, pid_t child, pid_t parent, const sigset_t *all)
{
	struct timespec last_words = {.tv_sec = LAST_WORDS_S};
	bool orphan = false;
	int status, got = 0;

	dup2(p->listener, STDIN_FILENO);
	close_range(STDIN_FILENO + 1, ~0U, 0);
	while (waitpid(child, &status, WNOHANG) != child) {
		if (got < 0 && errno == EAGAIN)
			kill(0, SIGKILL);
		if (!orphan && getppid() != parent) {
			orphan = true;
			kill(0, SIGTERM);
		}
		got = sigtimedwait(all, NULL, orphan ? &last_words : NULL);
	}
	if (orphan)
		kill(0, SIGKILL);
	process_end_like(status);
}

static _Noreturn void child_main(const struct process *p, pid_t parent, int report)
{
	sigset_t all, before;

	if (p->bond != PROCESS_GROUP) {
		if (p->bond == PROCESS_BESIDE)
			process_end_with(parent, SIGTERM);
		become(p, report);
	}
	setpgid(0, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	pid_t child = fork();
	if (child < 0)
		give_up(report, false);
	if (child > 0)
		keep(p, child, parent, &all);
	sigprocmask(SIG_SETMASK, &before, NULL);
	become(p, report);
}

/* ---- start and end
 * -----------------------------------------------------------------------------*/

static const char *name_of(const struct process *p)
{
	return p->name ? p->name : p->argv[0];
}

int process_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127 << 8;
	return status;
}

int process_start(const struct process *p, pid_t *pid, struct err *e)
{
	struct failure f;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "cannot start %s", name_of(p));
	_cleanup_close_ int report = ends[0];
	pid_t parent = getpid();
	*pid = fork();
	if (*pid == 0)
		child_main(p, parent, ends[1]);
	int code = errno;
	close(ends[1]);
	if (*pid < 0)
		return err_set(e, code, "cannot start %s: %s", name_of(p), strerror(code));
	ssize_t n;
	do
		n = read(report, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(f))
		return 0;
	process_wait(*pid);
	return f.root ? err_set(e, EPERM, "cannot chroot into %s", p->root)
		      : err_set(e, f.code, "cannot start %s: %s", name_of(p), strerror(f.code));
}

/* ---- while it runs
 * -----------------------------------------------------------------------------*/

/* What a client takes, at most, to bring the engine its request. */
#define ASK_MS 1500
#define POLL_MS 200

struct pipe_end {
	int fd;
	const struct process_sink *sink;
};

/* False at its end. */
static bool pass_on(struct pipe_end *end)
{
	char buf[16384];
	ssize_t n = read(end->fd, buf, sizeof(buf));

	if (n > 0)
		end->sink->take(end->sink->ctx, buf, (size_t)n);
	if (n > 0 || (n < 0 && errno == EINTR))
		return true;
	close(steal_fd(&end->fd));
	return false;
}

/* Until the program has ended and what it wrote is read. 0, -ETIMEDOUT, -EINTR or -errno; *ended
 * tells whether it was waited for. */
static int follow(
    const struct process *p, pid_t pid, struct pipe_end *ends, int *status, bool *ended)
{
	int64_t begin = monotonic_ms(), deadline = begin + p->timeout_ms;
	int nap = 1;

	for (;;) {
		struct pollfd fds[2] = {
		    {.fd = ends[0].fd, .events = POLLIN}, {.fd = ends[1].fd, .events = POLLIN}};
		bool open = ends[0].fd >= 0 || ends[1].fd >= 0;
		nap = open ? POLL_MS : nap < POLL_MS ? nap * 2 : nap;
		int n = poll(fds, 2, *ended ? 0 : nap);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; n > 0 && i < 2; i++)
			if (fds[i].revents && !pass_on(&ends[i]))
				nap = 1;
		open = ends[0].fd >= 0 || ends[1].fd >= 0;
		if (*ended && (n == 0 || !open))
			return 0;
		if (!*ended && (n == 0 || !open) && waitpid(pid, status, WNOHANG) == pid)
			*ended = true;
		if (p->timeout_ms && monotonic_ms() > deadline)
			return *ended ? 0 : -ETIMEDOUT;
		if (p->left_when && p->left_when() && monotonic_ms() - begin >= ASK_MS)
			return -EINTR;
	}
}

static int told(const struct process *p, int result, struct err *e)
{
	if (result == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "%s did not finish within %d s", name_of(p),
		    p->timeout_ms / 1000);
	if (result == -EINTR)
		return err_set(e, EINTR, "interrupted");
	if (result < 0)
		return err_set(
		    e, -result, "cannot read the output of %s: %s", name_of(p), strerror(-result));
	return 0;
}

int process_run(const struct process *given, const struct process_sink *out,
    const struct process_sink *err, int *status, struct err *e)
{
	const struct process_sink *sinks[2] = {out, err};
	struct pipe_end ends[2] = {{-1, out}, {-1, err}};
	int theirs[2] = {given->out, given->err}, result = 0;
	struct process p = *given;
	bool ended = false;
	pid_t pid;

	for (int i = 0; i < 2 && result == 0; i++) {
		int both[2];
		if (!sinks[i])
			continue;
		if (pipe2(both, O_CLOEXEC) < 0) {
			result = err_errno(e, "cannot start %s", name_of(&p));
			break;
		}
		ends[i].fd = both[0];
		theirs[i] = both[1];
	}
	p.out = theirs[0];
	p.err = out && !err ? theirs[0] : theirs[1];
	p.listener = ends[err ? 1 : 0].fd;
	if (result == 0)
		result = process_start(&p, &pid, e);
	for (int i = 0; i < 2; i++)
		if (ends[i].fd >= 0)
			close(theirs[i]);
	if (result == 0) {
		result = told(&p, follow(&p, pid, ends, status, &ended), e);
		if (result < 0 && !ended)
			kill(p.bond == PROCESS_GROUP ? -pid : pid, SIGKILL);
		if (!ended)
			*status = process_wait(pid);
	}
	for (int i = 0; i < 2; i++)
		cleanup_close(&ends[i].fd);
	return result;
}

/* ---- into memory
 * -------------------------------------------------------------------------------*/

struct text {
	char *data;
	size_t len;
	size_t max;
	bool truncated;
	bool failed;
};

static void text_take(void *ctx, const char *data, size_t len)
{
	struct text *t = ctx;
	size_t room = t->max - t->len, take = len < room ? len : room;
	char *grown = realloc(t->data, t->len + take + 1);

	t->truncated |= take < len;
	t->failed |= !grown;
	if (!grown)
		return;
	t->data = grown;
	memcpy(t->data + t->len, data, take);
	t->len += take;
	t->data[t->len] = '\0';
}

void process_result_clear(struct process_result *r)
{
	free(r->out);
	free(r->err);
	*r = (struct process_result)PROCESS_RESULT_INIT;
}

static int shell_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int check(const struct argv *a, struct err *e)
{
	if (a->failed || a->count == 0)
		return err_set(e, ENOMEM, "out of memory while starting a program");
	return 0;
}

int process_capture(
    const struct argv *a, int timeout_ms, size_t max_bytes, struct process_result *r, struct err *e)
{
	struct text out = {.max = max_bytes}, err = {.max = STDERR_MAX_BYTES};
	const struct process_sink sinks[2] = {{text_take, &out}, {text_take, &err}};
	char name[200];
	int status = 0, result = check(a, e);

	if (result < 0)
		return result;
	process_result_clear(r);
	snprintf(name, sizeof(name), "%s%s%s", a->items[0], a->count > 1 ? " " : "",
	    a->count > 1 ? a->items[1] : "");
	struct process p = {.argv = (const char *const *)a->items,
	    .name = name,
	    .timeout_ms = timeout_ms,
	    .left_when = a->left_when};
	text_take(&out, "", 0);
	text_take(&err, "", 0);
	result = process_run(&p, &sinks[0], &sinks[1], &status, e);
	*r = (struct process_result){
	    shell_status(status), out.truncated, out.data, err.data, out.len};
	if (result == 0 && (out.failed || err.failed))
		result = err_set(e, ENOMEM, "out of memory while running %s", name);
	return result;
}

/* ---- with our terminal
 * -------------------------------------------------------------------------*/

int process_exec(const struct argv *a, struct err *e)
{
	int r = check(a, e);

	if (r < 0)
		return r;
	execvp(a->items[0], a->items);
	return err_errno(e, "cannot start %s", a->items[0]);
}

int process_attach(const struct argv *a, enum process_bond bond, int *status, struct err *e)
{
	struct process p = {.argv = (const char *const *)a->items, .bond = bond};
	pid_t pid;
	int r = check(a, e);

	if (r == 0)
		r = process_start(&p, &pid, e);
	if (r == 0)
		*status = shell_status(process_wait(pid));
	return r;
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
