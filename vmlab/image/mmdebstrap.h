/* mmdebstrap.h - mmdebstrap as a child whose tarball is read while it writes it: its stages are
 * shown, and the end of what it said when it fails.
 */
#ifndef VMLAB_IMAGE_MMDEBSTRAP_H
#define VMLAB_IMAGE_MMDEBSTRAP_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/argv.h"
#include "lib/base/err.h"
#include "vmlab/image/progress.h"

#define MMDEBSTRAP_TAIL_BYTES 8192

struct mmdebstrap {
	pid_t pid;
	int out; /* the tarball */
	int err; /* what it says */
	char line[512];
	size_t line_len;
	char tail[MMDEBSTRAP_TAIL_BYTES + 1]; /* the end of what it said, for when it fails */
	size_t tail_len;
	const char *stage;
	struct image_progress *progress; /* NULL once the tarball flows: another owns the line */
	pthread_t thread;
	bool thread_runs;
	int status; /* wait status, once pid is 0 */
};

/* Runs it, whose command's last words are the suite and "-", and shows its stages until the tarball
 * begins; read() reads that from child->out. What comes of it is what went wrong first, in either.
 */
must_check int mmdebstrap_run(const struct argv *command, struct image_progress *progress,
    const volatile sig_atomic_t *cancel,
    int (*read)(void *ctx, struct mmdebstrap *child, struct err *e), void *ctx, struct err *e);

/* Waits for its end, and is its verdict; `ctx` is a struct mmdebstrap. To be asked before what was
 * made of the tarball is put into place. */
must_check int mmdebstrap_confirm(void *ctx, struct err *e);

/* Pure: what a line of its stderr says in our words; NULL when it is not worth a line. */
const char *mmdebstrap_stage(const char *line);

#endif
