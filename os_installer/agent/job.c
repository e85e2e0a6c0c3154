#include "os_installer/agent/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "os_installer/agent/voice.h"
#include "os_installer/base/cgroup.h"
#include "os_installer/base/offspring.h"

#define TICK_MS 200
#define LAST_MS 10000 /* for what it has started to be gone */

struct job {
	const struct order *order;
	const struct server_order *told;
	struct order_run run;
	const char *group; /* NULL: there is none */
	struct voice *voice;
	int output;     /* what it writes, to be read */
	pid_t pid;      /* of its keeper */
	int status;     /* as of waitpid(2), once it has ended */
	struct err why; /* it was ended by us; "": it was not */
};

/* ---- in the order's process --------------------------------------------------------------------
 */

/* When memory runs out this goes, not the agent. */
static void be_the_first_to_go(void)
{
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "500", 3) < 0)
		log_debug("the kernel takes no oom_score_adj");
}

static _Noreturn void child_main(struct job *j, pid_t parent)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	process_end_with(parent, SIGKILL);
	offspring_adopt();
	setsid();
	be_the_first_to_go();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	int r = j->order->run(&j->run, &e);
	struct said *s = board_take(j->run.board);
	s->ok = r == 0;
	s->why = e;
	s->ended = true;
	board_give(j->run.board);
	_exit(r == 0 ? 0 : 1);
}

/* ---- in its keeper -----------------------------------------------------------------------------
 */

/* Between the agent and the order's process, so that what the order leaves behind, in whatever
 * group or session, descends from it: it ends all that when the agent is gone, however that went.
 * Else it ends as the order's process does, and leaves them to the agent. Should it be killed with
 * the agent, the control group tells the next agent what there is. */
static _Noreturn void keeper_main(struct job *j, pid_t agent)
{
	struct err why = ERR_INIT;
	pid_t self = getpid();
	sigset_t all, before;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	signal(SIGCHLD, SIG_DFL);
	process_end_with(agent, SIGTERM);
	prctl(PR_SET_NAME, "order-keeper"); /* who ends the agent by its name means not it */
	offspring_adopt();
	if (j->group && cgroup_join(j->group, &why) < 0)
		log_warn("%s", why.msg);
	pid_t order = fork();
	if (order < 0)
		_exit(126);
	if (order == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		child_main(j, self);
	}
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (;;) {
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			if (pid == order)
				process_end_like(status);
		if (getppid() != agent) {
			(void)offspring_end(LAST_MS);
			_exit(1);
		}
		sigwaitinfo(&all, NULL);
	}
}

/* ---- in the agent ------------------------------------------------------------------------------
 */

/* False: there is none at the moment, or none any more. */
static bool take_output(struct job *j)
{
	char buf[16384];
	ssize_t n = read(j->output, buf, sizeof(buf));

	if (n > 0)
		voice_output(j->voice, buf, (size_t)n);
	return n > 0;
}

static void stop_when_due(struct job *j, int64_t began_ms)
{
	int64_t limit_s = j->told->timeout_s;

	if (j->why.msg[0])
		return;
	if (voice_is_over(j->voice))
		err_set(&j->why, ECANCELED, "it was cancelled");
	else if (limit_s > 0 && monotonic_ms() - began_ms >= limit_s * 1000)
		err_set(&j->why, ETIMEDOUT, "it was ended: it had %lld s, and they are over",
		    (long long)limit_s);
	if (j->why.msg[0]) {
		log_warn("order %s: %s", j->told->action, j->why.msg);
		kill(j->pid, SIGKILL);
	}
}

/* Its other children are orphans of the order. True when the order's process has ended. */
static bool reap(struct job *j)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		if (pid == j->pid) {
			j->status = status;
			return true;
		}
	return false;
}

static void follow(struct job *j)
{
	_cleanup_close_ int ends = (int)syscall(SYS_pidfd_open, j->pid, 0);
	int64_t began_ms = monotonic_ms();
	struct pollfd fds[2] = {
	    {.fd = j->output, .events = POLLIN}, {.fd = ends, .events = POLLIN}};

	while (!reap(j)) {
		int n = poll(fds, 2, TICK_MS);
		if (n > 0 && fds[0].revents && !take_output(j))
			fds[0].fd = -1; /* all have closed it */
		stop_when_due(j, began_ms);
	}
}

static void say_how_it_ended(int status, struct err *e)
{
	if (WIFSIGNALED(status))
		err_set(e, EIO,
		    "what carried it out was ended by signal %d (%s); the machine's console shows what the kernel says of it",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		err_set(e, EIO, "what carried it out left with exit code %d", WEXITSTATUS(status));
}

static void judge(const struct job *j, struct said *out)
{
	*out = *board_take(j->run.board);
	board_give(j->run.board);
	if (j->why.msg[0]) {
		out->ok = false;
		out->why = j->why;
	} else if (!out->ended) {
		out->ok = false;
		say_how_it_ended(j->status, &out->why);
	}
	out->ended = true;
}

static int job_start(struct job *j, struct err *e)
{
	int ends[2];
	int r = board_new(&j->run.board, e);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "cannot make a pipe");
	j->output = ends[0];
	_cleanup_close_ int theirs = ends[1];
	fcntl(j->output, F_SETFL, O_NONBLOCK);
	j->run.output = theirs;
	pid_t parent = getpid();
	j->pid = fork();
	if (j->pid < 0)
		return err_errno(e, "cannot start a process");
	if (j->pid == 0)
		keeper_main(j, parent);
	/* After the fork, which takes no threads along. */
	r = voice_start(j->run.server, j->told, j->run.board, &j->voice, e);
	if (r < 0)
		(void)offspring_end(LAST_MS);
	return r;
}

/* The server has it on record that it begins, before it does. One that does not answer has its
 * reasons to give orders all the same. */
static bool is_still_wanted(const struct server *s, const struct server_order *told, struct err *e)
{
	struct said nothing = {0};
	int r = told->has_id ? server_progress(s, told->id, &nothing, e) : 0;

	if (r == SERVER_OVER)
		err_set(e, ECANCELED, "it was cancelled");
	return r != SERVER_OVER;
}

void job_run(const struct order *order, const struct server_order *told, const struct server *s,
    struct ear *ear, const char *group, struct said *out)
{
	struct job j = {.order = order,
	    .told = told,
	    .group = group,
	    .run = {.server = s, .id = told->id, .args = told->args, .ear = ear},
	    .output = -1};

	memset(out, 0, sizeof(*out));
	out->ended = true;
	if (!is_still_wanted(s, told, &out->why))
		return;
	if (job_start(&j, &out->why) == 0) {
		follow(&j);
		unsigned left = offspring_end(LAST_MS);
		if (left)
			log_warn("%u processes of order %s do not end", left, told->action);
		while (take_output(&j))
			;
		voice_end(j.voice);
		judge(&j, out);
	}
	cleanup_close(&j.output);
	board_free(j.run.board);
}
