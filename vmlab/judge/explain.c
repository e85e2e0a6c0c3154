#include "vmlab/judge/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/explain/console.h"
#include "vmlab/engine/engine_ops.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/lab/vm_container.h"

#define CONSOLE_LINES 400
#define LAST_LINES 20

static int64_t time_of(const struct container *c, const char *member)
{
	const json_t *state = json_object_get(c->info, "State");
	int64_t at_ms = time_parse(json_string_value(json_object_get(state, member)));

	return at_ms > 0 ? at_ms : 0;
}

/* ---- the stack ----------------------------------------------------------------------------- */

/* What its health check said last. */
static void see_health(struct explain_facts *f, const struct container *stack)
{
	const json_t *health = json_object_get(json_object_get(stack->info, "State"), "Health");
	const json_t *log = json_object_get(health, "Log");
	const json_t *last = json_array_get(log, json_array_size(log) - 1);
	const char *text = json_string_value(json_object_get(last, "Output"));
	int64_t at_ms = time_parse(json_string_value(json_object_get(last, "End")));

	if (stack->health && strcmp(stack->health, "unhealthy") == 0)
		explain_see(f, EXPLAIN_SERVICE_DOWN, at_ms > 0 ? at_ms : 0, NULL, "health check",
		    text && *text ? text : "its health check fails");
}

/* True when it runs. */
static bool see_stack(struct explain_facts *f, const struct session *s)
{
	const struct container *stack = container_list_role(&s->containers, "stack");
	char text[200];

	if (stack && stack->running) {
		see_health(f, stack);
		return true;
	}
	if (stack)
		snprintf(
		    text, sizeof(text), "its container has ended with status %d", stack->exit_code);
	else
		snprintf(text, sizeof(text), "lab \"%.64s\" is down", s->lab->name);
	explain_see(f, EXPLAIN_STACK_DOWN, stack ? time_of(stack, "FinishedAt") : 0, NULL,
	    s->engine.ops->program, text);
	return false;
}

/* -ENOENT: it knows no such machine. */
static int see_server(struct explain_facts *f, struct session *s, const char *id, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	char encoded[MACHINE_ID_SIZE];

	int r = vm_name_valid(id) ? snprintf(encoded, sizeof(encoded), "%s", id)
				  : machine_id_encode(id, encoded, e);
	if (r >= 0)
		r = api_get(s->api, &answer, e, "/machines/%s/explain", encoded);
	if (r == 0)
		explain_facts_take(f, json_object_get(answer, "facts"));
	else if (r != -ENOENT && r != -EREMOTEIO && r != -EINVAL)
		explain_see(f, EXPLAIN_API_SILENT, 0, NULL, NULL, e->msg);
	else
		return r;
	return 0;
}

/* ---- its VM -------------------------------------------------------------------------------- */

/* The last line that is not empty. */
static const char *last_line(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr("\r\n ", text[len - 1]))
		text[--len] = '\0';
	const char *end = strrchr(text, '\n');
	return end ? end + 1 : text;
}

static void see_end(struct explain_facts *f, const struct session *s, const struct container *c)
{
	const json_t *state = json_object_get(c->info, "State");
	bool killed = json_is_true(json_object_get(state, "OOMKilled"));
	enum explain_sign sign = killed              ? EXPLAIN_VM_KILLED
				 : c->exit_code == 0 ? EXPLAIN_VM_STOPPED
						     : EXPLAIN_VM_CRASHED;
	_cleanup_free_ char *log = NULL;
	struct err ignored = ERR_INIT;
	char text[EXPLAIN_TEXT_SIZE];

	int n = snprintf(text, sizeof(text), "it ended with status %d", c->exit_code);
	if (sign == EXPLAIN_VM_CRASHED &&
	    engine_log_tail(&s->engine, c->name, NULL, LAST_LINES, &log, &ignored) == 0)
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", last_line(log));
	explain_see(f, sign, time_of(c, "FinishedAt"), NULL, s->engine.ops->program, text);
}

static void see_console(struct explain_facts *f, const struct session *s, const struct container *c)
{
	const json_t *state = json_object_get(c->info, "State");
	const char *since = json_string_value(json_object_get(state, "StartedAt"));
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;

	if (engine_log_tail(&s->engine, c->name, since, CONSOLE_LINES, &text, &ignored) == 0)
		explain_console(f, text);
}

static void see_vm(struct explain_facts *f, struct session *s, const char *name)
{
	const struct container *c = vm_container_find(s, name);

	if (!c) {
		explain_see(f, EXPLAIN_VM_ABSENT, 0, NULL, NULL, NULL);
	} else if (c->running) {
		explain_see(
		    f, EXPLAIN_POWER, time_of(c, "StartedAt"), NULL, s->engine.ops->program, NULL);
		see_console(f, s, c);
	} else {
		see_end(f, s, c);
	}
}

/* Only while it may be at its loader: a log is long. */
static void see_transfers(struct explain_facts *f, const struct session *s)
{
	const struct container *stack = container_list_role(&s->containers, "stack");
	const struct explain_seen *address = &f->seen[EXPLAIN_ADDRESS];
	bool loads =
	    explain_is_later(f, EXPLAIN_ADDRESS, EXPLAIN_ASKED) &&
	    (explain_state_is(f, MACHINE_DECLARED) || explain_state_is(f, MACHINE_BOOTING));
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	char since[TIME_TEXT_SIZE];

	if (loads && stack &&
	    engine_log_tail(&s->engine, stack->name, time_format(address->at_ms, since),
		CONSOLE_LINES, &text, &ignored) == 0)
		explain_stack_log(f, text);
}

/* ---- its definition ------------------------------------------------------------------------ */

static void see_findings(struct explain_facts *f, const struct lab *lab, const struct vm *vm)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct preflight found = {0};
	struct err ignored = ERR_INIT;
	char text[EXPLAIN_TEXT_SIZE];

	if (subject_load(lab, vm, &subject, &ignored) < 0)
		return;
	preflight_check(&subject, &found);
	for (size_t i = 0; i < found.count; i++) {
		const struct preflight_finding *one = &found.finding[i];
		snprintf(text, sizeof(text), "\"%s\": %s", one->field, one->text);
		if (one->fatal && !explain_is_seen(f, EXPLAIN_HOPELESS))
			explain_see(f, EXPLAIN_HOPELESS, 0, one->field, NULL, text);
	}
}

/* False: no definition in force has that name. */
static bool see_definition(struct explain_facts *f, struct session *s, const char *name)
{
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;

	if (session_open_store(s, &store, &ignored) < 0)
		return false;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	if (vm)
		see_findings(f, s->lab, vm);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return vm != NULL;
}

/* ---- together ------------------------------------------------------------------------------ */

static struct explain_facts *facts_new(const char *id, struct err *e)
{
	struct explain_facts *f = calloc(1, sizeof(*f));

	if (!f) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(f->name, sizeof(f->name), "%s", id);
	f->now_ms = wall_ms();
	return f;
}

json_t *explain_machine(struct session *s, const char *id, struct err *e)
{
	_cleanup_free_ char *named = vm_name_valid(id) ? vm_container_machine(s, id) : NULL;
	const char *name = named ? named : id;
	_cleanup_free_ struct explain_facts *f = facts_new(name, e);

	if (!f)
		return NULL;
	bool runs = see_stack(f, s);
	if (runs && see_server(f, s, name, e) < 0)
		return NULL;
	if (runs)
		see_transfers(f, s);
	if (see_definition(f, s, name))
		see_vm(f, s, name);
	else if (!runs && session_check_name(s, name, e) < 0)
		return NULL;
	return explain_json(f);
}

json_t *explain_without_engine(const char *id, const char *why, struct err *e)
{
	_cleanup_free_ struct explain_facts *f = facts_new(id, e);

	if (!f)
		return NULL;
	explain_see(f, EXPLAIN_NO_ENGINE, 0, NULL, NULL, why);
	return explain_json(f);
}
