#include "vmlab/engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "vmlab/engine/engine_error.h"
#include "vmlab/engine/engine_ops.h"

#define ENGINE_ROW(engine) &engine,
const struct engine_ops *const engine_rows[] = {ENGINES(ENGINE_ROW) NULL};

void engine_clear(struct engine *en)
{
	free(en->client);
	free(en->version);
	*en = (struct engine)ENGINE_INIT;
}

static int refused(
    const struct engine_ops *ops, const char *client, struct process_result *r, struct err *e)
{
	char why[400];

	engine_error_sentence(ops, r->err, why, sizeof(why));
	if (strstr(why, "permission denied"))
		return err_set(e, EACCES,
		    "%s may not talk to the container engine: run vmlab as root (sudo)%s%s%s",
		    client,
		    ops->group ? ", or join the group that owns the engine's socket (usually `"
			       : "",
		    ops->group ? ops->group : "", ops->group ? "`)" : "");
	return err_set(e, ECONNREFUSED, "%s reaches no container engine (%s): start it, e.g. %s",
	    client, why, ops->start);
}

/* 0 when `client` works; -errno with the reason. */
static int try_client(
    struct engine *en, const struct engine_ops *ops, const char *client, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;

	en->ops = ops;
	argv_adds(&a, client, "version", "--format", ops->version);
	int n = process_capture(&a, 15000, 65536, &r, e);
	if (n < 0)
		return n;
	if (r.status != 0)
		return refused(ops, client, &r, e);
	r.out[strcspn(r.out, "\n")] = '\0';
	en->client = strdup(client);
	en->version = steal_ptr(r.out);
	return en->client ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void add_candidate(struct argv *candidates, const char *dir, const char *program)
{
	char full[4096];

	if (*dir != '/' ||
	    snprintf(full, sizeof(full), "%s/%s", dir, program) >= (int)sizeof(full) ||
	    access(full, X_OK) < 0)
		return;
	for (size_t i = 0; i < candidates->count; i++)
		if (strcmp(candidates->items[i], full) == 0)
			return;
	argv_add(candidates, full);
}

static void list_candidates(const struct engine_ops *ops, struct argv *candidates)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path ? path : "");
	char *rest = copy, *dir;

	while (copy && (dir = strsep(&rest, ":")))
		add_candidate(candidates, dir, ops->program);
	for (const char *const *place = ops->places; *place; place++)
		add_candidate(candidates, *place, ops->program);
}

/* Whose client it is, by its name; what has none of the names takes the first one's words. */
static const struct engine_ops *ops_of(const char *client)
{
	const char *slash = strrchr(client, '/'), *name = slash ? slash + 1 : client;

	for (const struct engine_ops *const *row = engine_rows; *row; row++)
		if (strstr(name, (*row)->program))
			return *row;
	return engine_rows[0];
}

int engine_find(struct engine *en, struct err *e)
{
	const char *chosen = getenv("VMLAB_ENGINE");
	bool any = false;

	engine_clear(en);
	en->ops = engine_rows[0];
	if (chosen && *chosen)
		return try_client(en, ops_of(chosen), chosen, e);
	for (const struct engine_ops *const *row = engine_rows; *row; row++) {
		_cleanup_argv_ struct argv candidates = ARGV_INIT;
		list_candidates(*row, &candidates);
		for (size_t i = 0; i < candidates.count; i++) {
			struct err why = ERR_INIT;
			if (try_client(en, *row, candidates.items[i], any ? &why : e) == 0)
				return 0;
			any = true;
		}
	}
	if (any)
		return -e->code;
	return err_set(e, ENOENT,
	    "no container engine's client (%s) on PATH: install one, e.g. `%s`",
	    engine_rows[0]->program, engine_rows[0]->install);
}
