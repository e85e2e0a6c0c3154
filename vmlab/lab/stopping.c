#include "vmlab/lab/stopping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "vmlab/lab/lab_dir.h"

/* Longer than the VM image's own grace, after which it ends QEMU by itself. */
#define STOP_TIMEOUT_MS 180000
/* By then the engine has killed what did not stop. */
#define SETTLE_MAX_MS 100000
#define POLL_MS 500
#define FILE_MAX_BYTES 65536

static char *path_of(const struct lab *lab)
{
	char *path;

	return asprintf(&path, "%s/stopping", lab->dir) < 0 ? NULL : path;
}

static const struct container *by_name(const struct session *s, const char *name)
{
	for (size_t i = 0; i < s->containers.count; i++)
		if (strcmp(s->containers.items[i].name, name) == 0)
			return &s->containers.items[i];
	return NULL;
}

/* By id: a container that is made anew under the name is another one. */
static void remember(const struct session *s, const struct argv *names, const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	for (size_t i = 0; i < names->count; i++) {
		const struct container *c = by_name(s, names->items[i]);
		if (c)
			fprintf(f, "%s\n", c->id);
	}
	/* Without the file only the next command knows less. */
	if (fclose(f) != 0 || atomic_file_replace(path, text, len, 0600, &ignored) < 0)
		return;
}

int stopping_run(struct session *s, const char *verb, const struct argv *names, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_free_ char *path = path_of(s->lab);

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	if (names->count == 0)
		return 0;
	if (interrupt_pending())
		return err_set(e, EINTR, "interrupted");
	remember(s, names, path);
	a.left_when = interrupt_pending;
	argv_add(&a, verb);
	argv_extend(&a, names->count, names->items);
	int r = engine_run(&s->engine, &a, STOP_TIMEOUT_MS, NULL, e);
	if (r != -EINTR)
		unlink(path);
	return r;
}

static bool has_id(const char *text, const char *id)
{
	const char *at = *id ? strstr(text, id) : NULL;

	return at && (at == text || at[-1] == '\n') && at[strlen(id)] == '\n';
}

static int64_t started_ms(const struct container *c)
{
	const json_t *state = json_object_get(c->info, "State");

	return time_parse(json_string_value(json_object_get(state, "StartedAt")));
}

/* One of those that is not seen to have ended, nor to have been started again since; or NULL. */
static const struct container *unsettled(const struct session *s, const char *ids, int64_t since_ms)
{
	for (size_t i = 0; i < s->containers.count; i++) {
		const struct container *c = &s->containers.items[i];
		if (c->running && has_id(ids, c->id) && started_ms(c) < since_ms)
			return c;
	}
	return NULL;
}

int stopping_settle(struct session *s, FILE *out, struct err *e)
{
	_cleanup_free_ char *path = path_of(s->lab), *ids = NULL;
	struct err none = ERR_INIT;
	const struct container *c;
	bool told = false;
	struct stat st;
	size_t len;

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	if (stat(path, &st) < 0 || file_read(path, FILE_MAX_BYTES, &ids, &len, &none) < 0)
		return 0;
	int64_t since_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	while ((c = unsettled(s, ids, since_ms)) && wall_ms() < since_ms + SETTLE_MAX_MS) {
		if (interrupt_pending())
			return err_set(e, EINTR, "interrupted");
		if (!told)
			fprintf(out,
			    "lab: waits until the engine has stopped %s, as a command that was interrupted asked for\n",
			    c->vm ? c->vm : c->role);
		told = true;
		interrupt_sleep_ms(POLL_MS);
		int r = session_refresh(s, e);
		if (r < 0)
			return r;
	}
	unlink(path);
	return told ? session_refresh(s, e) : 0;
}

static void print_running(const struct session *s, const char *ids)
{
	size_t shown = 0;

	for (size_t i = 0; i < s->containers.count; i++) {
		const struct container *c = &s->containers.items[i];
		if (!c->running)
			continue;
		fprintf(stderr, "%s%s%s", shown++ ? ", " : " ", c->vm ? c->vm : c->role,
		    ids && has_id(ids, c->id) ? " (being stopped)" : "");
	}
	fputs(shown ? ".\n" : " nothing.\n", stderr);
}

int stopping_interrupted(struct session *s, const char *what)
{
	_cleanup_free_ char *path = path_of(s->lab), *ids = NULL;
	struct err ignored = ERR_INIT;
	size_t len;

	fflush(stdout);
	if (path && file_read(path, FILE_MAX_BYTES, &ids, &len, &ignored) < 0)
		ids = NULL;
	if (session_refresh(s, &ignored) < 0) {
		fprintf(stderr, "\nvmlab: %s was interrupted: `vmlab ls` shows what runs\n", what);
		return STATUS_INTERRUPTED;
	}
	fprintf(stderr, "\nvmlab: %s was interrupted. Of lab \"%s\" there still runs:", what,
	    s->lab->name);
	print_running(s, ids);
	if (ids)
		fputs("What is being stopped goes on to its end without this command.\n", stderr);
	return STATUS_INTERRUPTED;
}
