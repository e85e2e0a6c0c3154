/* process.h - children of this program: started by fork and exec with an argument vector, never
 * through a shell.
 */
#ifndef VMLAB_ENGINE_PROCESS_H
#define VMLAB_ENGINE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/argv.h"

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

/* Runs `a` (found through PATH) with stdin from /dev/null and collects at most max_bytes of its
 * stdout and 64 KiB of its stderr. A child that has not ended after timeout_ms is killed:
 * -ETIMEDOUT. While interrupt_install() holds, a terminal's Ctrl-C is ours and not the child's; one
 * with a->interruptible is then left, -EINTR, once it had time to ask for what it is there for. Any
 * exit status is a success here: look at r->status. */
must_check int process_capture(const struct argv *a, int timeout_ms, size_t max_bytes,
    struct process_result *r, struct err *e);

/* Becomes `a`. Returns only on failure. */
must_check int process_exec(const struct argv *a, struct err *e);

/* Runs `a` on this program's own stdin, stdout and stderr and waits. *status as above. */
must_check int process_run(const struct argv *a, int *status, struct err *e);

/* True when `program` is an executable file, itself or in a directory of PATH. */
bool process_available(const char *program);

#endif
