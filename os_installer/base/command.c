#include "os_installer/base/command.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/log.h"
#include "lib/base/process.h"

const char *const command_environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C",
    "TERM=dumb",
    "DEBIAN_FRONTEND=noninteractive",
    "STAGE4=" COMMAND_STAGE4,
    NULL,
};

struct line {
	const char *program;
	char text[400];
	size_t used;
	char last[400];
	bool loud;
};

static void line_end(struct line *l)
{
	l->text[l->used] = '\0';
	if (l->used > 0) {
		if (l->loud)
			log_info("%s: %s", l->program, l->text);
		else
			log_debug("%s: %s", l->program, l->text);
		strcpy(l->last, l->text);
	}
	l->used = 0;
}

static void line_take(void *ctx, const char *data, size_t len)
{
	struct line *l = ctx;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			line_end(l);
		else if (l->used < sizeof(l->text) - 1)
			l->text[l->used++] = data[i];
	}
}

int command_run(const struct command *c, struct err *e)
{
	const char *slash = strrchr(c->argv[0], '/');
	const char *program = c->name ? c->name : slash ? slash + 1 : c->argv[0];
	struct line l = {.program = program, .loud = c->loud};
	const struct process p = {
	    .argv = c->argv,
	    .environment = command_environment,
	    .root = c->root,
	    .name = program,
	    .timeout_ms = (c->timeout_s ? c->timeout_s : 300) * 1000,
	};
	const struct process_sink sink = {line_take, &l};
	int status;

	int r = process_run(&p, &sink, NULL, &status, e);
	line_end(&l);
	if (r == -ENOENT)
		return err_set(e, ENOENT, "there is no program %s%s", program,
		    c->root ? " in the installed system" : "");
	if (r < 0)
		return r;
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "%s was killed by signal %d", program, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, EIO, "%s failed with exit code %d%s%s", program,
		    WEXITSTATUS(status), l.last[0] ? ": " : "", l.last);
	return 0;
}
