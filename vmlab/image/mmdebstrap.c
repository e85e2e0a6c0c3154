#include "vmlab/image/mmdebstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/process.h"

#define TAIL_LINES 15

const char *mmdebstrap_stage(const char *line)
{
	static const struct {
		const char *said;
		const char *stage;
	} stages[] = {
	    {"I: running apt-get update", "fetching package lists"},
	    {"I: downloading packages", "downloading packages"},
	    {"I: extracting archives", "unpacking the base system"},
	    {"I: running --extract-hook", "indexing the drivers"},
	    {"I: installing essential", "installing the base system"},
	    {"I: installing remaining", "installing packages"},
	    {"I: running --customize-hook", "configuring"},
	    {"I: cleaning package lists", "cleaning up"},
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (!strncmp(line, stages[i].said, strlen(stages[i].said)))
			return stages[i].stage;
	return NULL;
}

static int start(struct mmdebstrap *c, const struct argv *a, struct err *e)
{
	int out[2], err[2];

	if (!process_available("mmdebstrap"))
		return err_set(e, ENOENT,
		    "mmdebstrap is not installed; `apt-get install mmdebstrap` brings it");
	if (pipe2(out, O_CLOEXEC))
		return err_errno(e, "cannot create a pipe");
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		return err_errno(e, "cannot create a pipe");
	}
	fcntl(out[0], F_SETPIPE_SZ, 1024 * 1024);
	/* Room for all that it says at its end, when nobody listens any more. */
	fcntl(err[0], F_SETPIPE_SZ, 1024 * 1024);
	const struct process p = {.argv = (const char *const *)a->items,
	    .out = out[1],
	    .err = err[1],
	    .listener = err[0]};
	int r = process_start(&p, &c->pid, e);
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
	return r;
}

static void take_line(struct mmdebstrap *c)
{
	const char *stage;

	c->line[c->line_len] = '\0';
	c->line_len = 0;
	stage = c->progress ? mmdebstrap_stage(c->line) : NULL;
	if (!stage || stage == c->stage)
		return;
	if (c->stage)
		image_progress_end(c->progress, 0);
	c->stage = stage;
	image_progress_begin(c->progress, stage, 0);
}

/* Takes what mmdebstrap said. Returns false at its end. */
static bool listen_once(struct mmdebstrap *c)
{
	char buf[1024];
	ssize_t n = read(c->err, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR;
	if (n == 0)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n')
			take_line(c);
		else if (c->line_len < sizeof(c->line) - 1)
			c->line[c->line_len++] = buf[i];
	}
	if (c->tail_len + (size_t)n > MMDEBSTRAP_TAIL_BYTES) {
		size_t drop = c->tail_len + (size_t)n - MMDEBSTRAP_TAIL_BYTES;
		c->tail_len -= drop;
		memmove(c->tail, c->tail + drop, c->tail_len);
	}
	memcpy(c->tail + c->tail_len, buf, (size_t)n);
	c->tail_len += (size_t)n;
	c->tail[c->tail_len] = '\0';
	return true;
}

/* Shows the stages until the tarball begins or mmdebstrap ends. */
static void follow(
    struct mmdebstrap *c, struct image_progress *progress, const volatile sig_atomic_t *cancel)
{
	struct pollfd fds[2] = {{c->err, POLLIN, 0}, {c->out, POLLIN, 0}};

	c->progress = progress;
	while (!*cancel) {
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			break;
		if (fds[0].revents && listen_once(c))
			continue;
		if (fds[0].revents || fds[1].revents)
			break;
	}
	if (c->stage)
		image_progress_end(c->progress, 0);
	c->progress = NULL;
}

static void *listener(void *arg)
{
	struct mmdebstrap *c = arg;

	while (listen_once(c))
		;
	return NULL;
}

/* Waits for its end; closing the pipe makes a mmdebstrap that still writes stop and clean up. */
static void end(struct mmdebstrap *c)
{
	if (c->out >= 0)
		close(steal_fd(&c->out));
	if (c->thread_runs)
		pthread_join(c->thread, NULL);
	else
		while (c->err >= 0 && listen_once(c))
			;
	c->thread_runs = false;
	if (c->err >= 0)
		close(steal_fd(&c->err));
	if (c->pid > 0)
		c->status = process_wait(c->pid);
	c->pid = 0;
}

static void print_tail(const struct mmdebstrap *c)
{
	const char *p = c->tail + c->tail_len;

	for (int lines = 0; p > c->tail; p--)
		if (p[-1] == '\n' && ++lines > TAIL_LINES)
			break;
	fprintf(stderr, "--- the last lines of mmdebstrap ---\n%s", p);
	fprintf(stderr, "------------------------------------\n");
}

/* The child's verdict, before the image goes into place. */
int mmdebstrap_confirm(void *ctx, struct err *e)
{
	struct mmdebstrap *c = ctx;

	end(c);
	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
		return 0;
	print_tail(c);
	return err_set(e, EIO, "mmdebstrap failed; its last lines above say why");
}

/* What came of both, where reading the tarball gave `rc`. */
static int outcome(struct mmdebstrap *c, bool cancelled, int rc, struct err *e)
{
	if (c->pid == 0)
		return rc;
	/* It failed here, perhaps only because mmdebstrap failed there. */
	if (cancelled)
		kill(-c->pid, SIGTERM);
	end(c);
	if (!cancelled && WIFEXITED(c->status) && WEXITSTATUS(c->status)) {
		struct err first = *e;
		rc = mmdebstrap_confirm(c, e);
		if (first.code != EBADMSG)
			*e = first;
	}
	return rc;
}

int mmdebstrap_run(const struct argv *command, struct image_progress *progress,
    const volatile sig_atomic_t *cancel,
    int (*read)(void *ctx, struct mmdebstrap *child, struct err *e), void *ctx, struct err *e)
{
	struct mmdebstrap child = {.out = -1, .err = -1};
	int rc = start(&child, command, e);

	if (rc)
		return rc;
	follow(&child, progress, cancel);
	child.thread_runs = !pthread_create(&child.thread, NULL, listener, &child);
	rc = read(ctx, &child, e);
	return outcome(&child, *cancel, rc, e);
}
