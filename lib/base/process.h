/* process.h - children of this program: started by fork and exec with an argument vector, never
 * through a shell.
 */
#ifndef LIB_BASE_PROCESS_H
#define LIB_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/argv.h"
#include "lib/base/err.h"

enum process_bond {
	/* In a group of its own: a terminal's Ctrl-C is not for it, and what it has started ends
	 * with it, when it is ended and when this program (the thread that started it) is gone,
	 * however that went: SIGTERM, and 20 s later SIGKILL. Its stdin is empty. */
	PROCESS_GROUP,
	PROCESS_BESIDE, /* with our stdin and terminal; gets SIGTERM when this program is gone */
	PROCESS_FREE,   /* with our stdin and terminal; may outlive this program */
};

struct process {
	const char *const *argv;        /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *environment; /* NULL: ours */
	const char *root;               /* NULL, or the directory it is chrooted into */
	const char *name;               /* NULL, or what errors call it instead of argv[0] */
	enum process_bond bond;
	int out, err; /* its stdout and stderr; 0: ours. process_run() has its own for a sink */
	int listener; /* of a group: 0, or err's other end, so that its last words do not stop it */

	/* For process_run(). */
	int timeout_ms;          /* 0: none; then it is killed, in a group with all of that */
	bool (*left_when)(void); /* NULL, or says that nobody waits for it any more */
};

/* Starts it: *pid, in a group also that of the group. -errno when it cannot be started, -ENOENT
 * only for a program that is not there, -EPERM for a root that cannot be entered. */
must_check int process_start(const struct process *p, pid_t *pid, struct err *e);

/* Waits for its end. Returns what waitpid(2) tells of it. */
int process_wait(pid_t pid);

/* Takes what a child writes, as it comes. */
struct process_sink {
	void (*take)(void *ctx, const char *data, size_t len);
	void *ctx;
};

/* Starts it, hands over what it writes and waits. `out` may be NULL, then p->out and p->err hold;
 * `err` may be NULL, then it is out's. 0 with *status as of process_wait(), however it ended,
 * -ETIMEDOUT, -EINTR when it was left, or -errno. Something that goes on without it, and keeps its
 * output open, is not waited for. */
must_check int process_run(const struct process *p, const struct process_sink *out,
    const struct process_sink *err, int *status, struct err *e);

/* What a finished child left. Text is NUL-terminated, owned by the struct. */
struct process_result {
	int status;     /* exit status; 128 + signal when a signal ended it */
	bool truncated; /* more was written than the limit; the rest was read and dropped */
	char *out;
	char *err;
	size_t out_len;
};

#define PROCESS_RESULT_INIT {0, false, NULL, NULL, 0}
#define _cleanup_process_result_ __attribute__((cleanup(process_result_clear)))

void process_result_clear(struct process_result *r);

/* Runs `a` in a group and collects at most max_bytes of its stdout and 64 KiB of its stderr. A
 * child that has not ended after timeout_ms is killed: -ETIMEDOUT; with what it wrote until then.
 * With a->left_when it is left when that says so, -EINTR, once it had time to ask for what it is
 * there for. Any exit status is a success here: look at r->status. */
must_check int process_capture(const struct argv *a, int timeout_ms, size_t max_bytes,
    struct process_result *r, struct err *e);

/* Becomes `a`. Returns only on failure. */
must_check int process_exec(const struct argv *a, struct err *e);

/* Runs `a` on this program's own stdin, stdout and stderr and waits. *status as of a result. */
must_check int process_attach(
    const struct argv *a, enum process_bond bond, int *status, struct err *e);

/* Ends this process as `status`, of waitpid(2), says that another one did; without a core file. */
_Noreturn void process_end_like(int status);

/* In a child right after fork(): `signal` comes when `parent`, by its thread that forked, ends.
 * Not inherited; a change of user ends it. */
void process_end_with(pid_t parent, int signal);

/* True when `program` is an executable file, itself or in a directory of PATH. */
bool process_available(const char *program);

#endif
