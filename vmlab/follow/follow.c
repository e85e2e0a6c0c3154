#include "vmlab/follow/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/machine.h"
#include "lib/follow/cloud_init.h"
#include "vmlab/lab/container.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "lib/follow/progress.h"
#include "vmlab/judge/explain.h"

#define POLL_MS 400
#define PLAIN_PROGRESS_MS 5000
#define CONTAINERS_MS 2500
#define PROBE_MS 2000
#define API_SILENCE_MS 20000
#define EVENTS_PER_REQUEST 1000
#define LOG_LINES 20
#define STILL_MS 45000 /* most steps of a boot take less */
#define EXPLAIN_MS 15000
#define MODULE_MS 2000 /* most modules of cloud-init take less, and are not worth a line */

struct follow {
	struct session *s;
	struct follow_vm *vms;
	size_t count;
	FILE *out;
	bool tty;
	bool status_shown;
	int name_width;
	int64_t cursor;           /* id of the last event seen */
	int64_t containers_at_ms; /* when the containers were last looked at */
	int64_t silent_since_ms;  /* 0: the API answers */
	bool looked;              /* not the first look any more */
};

/* ---- showing --------------------------------------------------------------------------------- */

static void clear_status(struct follow *f)
{
	if (f->status_shown)
		fputs("\r\033[K", f->out);
	f->status_shown = false;
}

static unsigned columns(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		return size.ws_col - 1u;
	return 79;
}

static void draw_status(struct follow *f)
{
	_cleanup_free_ struct progress_item *items = calloc(f->count + 1, sizeof(*items));
	size_t n = 0;

	if (!f->tty || !items)
		return;
	for (size_t i = 0; i < f->count; i++) {
		struct follow_vm *vm = &f->vms[i];
		if (vm->outcome != FOLLOW_GOING || !vm->state)
			continue;
		items[n].vm = vm->state;
		items[n].stage = stages_current(&vm->stages, wall_ms(), &items[n].stage_ms);
		if (json_is_string(
			json_object_get(json_object_get(vm->state, "cloud_init"), "stage")))
			items[n].stage = cloud_init_stage(vm->state);
		n++;
	}
	clear_status(f);
	if (n > 0) {
		progress_status_line(f->out, items, n, columns(f->out));
		f->status_shown = true;
	}
	fflush(f->out);
}

/* One line about one machine, unless the same was said just before. */
static void say(struct follow *f, struct follow_vm *vm, const char *text)
{
	char took[HUMAN_TEXT_SIZE];

	if (strncmp(vm->last_line, text, sizeof(vm->last_line) - 1) == 0)
		return;
	snprintf(vm->last_line, sizeof(vm->last_line), "%s", text);
	clear_status(f);
	fprintf(f->out, "%-*s  %12s  %s\n", f->name_width, vm->name,
	    human_duration(wall_ms() - vm->begin_ms, took), text);
	fflush(f->out);
}

__attribute__((format(printf, 3, 4))) static void sayf(
    struct follow *f, struct follow_vm *vm, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(f, vm, text);
}

/* A module of cloud-init is told of once it has taken a while. */
static void say_module(struct follow *f, struct follow_vm *vm)
{
	if (!*vm->module || monotonic_ms() - vm->module_at_ms < MODULE_MS)
		return;
	say(f, vm, vm->module);
	vm->module[0] = '\0';
}

static bool state_is(const struct follow_vm *vm, const char *word)
{
	const char *state = json_string_value(json_object_get(vm->state, "state"));

	return state && strcmp(state, word) == 0;
}

/* Without a terminal to redraw, bytes get a line of their own now and then. */
static void plain_progress(struct follow *f, struct follow_vm *vm)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int64_t now = monotonic_ms();

	const char *phase = json_string_value(json_object_get(vm->state, "phase"));
	bool agent = state_is(vm, "agent");

	if (f->tty || (!agent && progress_percent(vm->state) < 0) ||
	    now - vm->plain_at_ms < PLAIN_PROGRESS_MS)
		return;
	/* Not before the line that says that the phase has begun. */
	if (!agent && (!phase || strcmp(phase, vm->phase) != 0))
		return;
	FILE *m = open_memstream(&text, &len);
	if (!m)
		return;
	progress_detail(m, vm->state);
	if (fclose(m) != 0)
		return;
	vm->plain_at_ms = now;
	if (strcmp(text, vm->plain) == 0)
		return;
	snprintf(vm->plain, sizeof(vm->plain), "%s", text);
	say(f, vm, text);
}

/* ---- outcomes -------------------------------------------------------------------------------- */

static void arrived(struct follow *f, struct follow_vm *vm, const char *text)
{
	vm->outcome = FOLLOW_ARRIVED;
	stages_end(&vm->stages, wall_ms());
	if (f->looked) {
		say(f, vm, text);
		return;
	}
	clear_status(f);
	fprintf(f->out, "%-*s  %s already\n", f->name_width, vm->name, text);
}

static void arrived_ready(struct follow *f, struct follow_vm *vm)
{
	enum cloud_init_verdict verdict = cloud_init_judge(vm->state);
	char text[64];

	snprintf(text, sizeof(text), "ready%s", cloud_init_words(verdict));
	arrived(f, vm, text);
	vm->flawed = verdict == CLOUD_INIT_ERRORS;
	cloud_init_print(f->out, vm->state);
}

static void failed(struct follow *f, struct follow_vm *vm)
{
	vm->outcome = FOLLOW_FAILED;
	stages_end(&vm->stages, wall_ms());
	clear_status(f);
}

/* The broken link as `vmlab explain` tells it; false: none is known. */
static bool print_broken(struct follow *f, const struct follow_vm *vm)
{
	struct err ignored = ERR_INIT;
	_cleanup_json_ json_t *told = explain_machine(f->s, vm->name, &ignored);
	bool broken = json_is_object(json_object_get(told, "broken"));

	if (broken)
		explain_print(f->out, told, false);
	return broken;
}

/* The same in one line, of a machine that has not moved for a while. */
static void say_still(struct follow *f, struct follow_vm *vm)
{
	int64_t now = monotonic_ms();
	struct err ignored = ERR_INIT;

	if (now - vm->moved_at_ms < STILL_MS || now - vm->explained_at_ms < EXPLAIN_MS)
		return;
	vm->explained_at_ms = now;
	_cleanup_json_ json_t *told = explain_machine(f->s, vm->name, &ignored);
	const json_t *broken = json_object_get(told, "broken");
	if (json_is_object(broken))
		sayf(f, vm, "does not move: %s: %s; %s",
		    json_string_value(json_object_get(broken, "link")),
		    json_string_value(json_object_get(broken, "sentence")),
		    json_string_value(json_object_get(broken, "hint")));
}

/* It may get on by itself yet, but whoever waits has to know. */
static void stalled(struct follow *f, struct follow_vm *vm)
{
	failed(f, vm);
	if (!print_broken(f, vm))
		progress_outlook(f->out, vm->state);
	fprintf(f->out,
	    "  then     remove the cause; it goes on by itself, or anew with `vmlab reinstall %s`; `vmlab wait %s` watches again\n",
	    vm->name, vm->name);
}

/* Once, and whenever the reason changes. */
static void say_waiting(struct follow *f, struct follow_vm *vm)
{
	const json_t *outlook = json_object_get(vm->state, "outlook");
	const char *reason = json_string_value(json_object_get(outlook, "reason"));
	const char *hint = json_string_value(json_object_get(outlook, "hint"));

	if (json_string_value(json_object_get(outlook, "stage")))
		sayf(f, vm, "waits: %s; %s", reason ? reason : "?", hint ? hint : "?");
}

static void failed_install(struct follow *f, struct follow_vm *vm)
{
	_cleanup_json_ json_t *detail = NULL;
	struct err e = ERR_INIT;

	failed(f, vm);
	if (api_get(f->s->api, &detail, &e, "/vms/%s", vm->name) < 0)
		detail = json_incref(vm->state);
	progress_failure(f->out, detail, LOG_LINES);
	fprintf(f->out,
	    "  then     remove the cause and `vmlab reinstall %s`; its console: `vmlab console %s`\n",
	    vm->name, vm->name);
}

static void failed_container(struct follow *f, struct follow_vm *vm, const struct container *c)
{
	_cleanup_free_ char *log = NULL;
	struct err e = ERR_INIT;

	failed(f, vm);
	if (!c) {
		fprintf(f->out, "%s: its container was removed\n", vm->name);
		return;
	}
	fprintf(f->out, "%s: its container has ended with status %d; its last lines:\n", vm->name,
	    c->exit_code);
	if (engine_log_tail(&f->s->engine, c->name, NULL, LOG_LINES, &log, &e) < 0)
		fprintf(f->out, "    (%s)\n", e.msg);
	human_print_lines(f->out, log, "    ", LOG_LINES);
}

/* What was said before the machine was started is another story. */
static bool is_ready(const struct follow_vm *vm, const json_t *state)
{
	int64_t since = time_parse(json_string_value(json_object_get(state, "changed_at")));

	return !vm->has_container || !cloud_init_tells(state) || since < 0 || since >= vm->begin_ms;
}

static enum follow_outcome judge_stalled(
    const struct follow_vm *vm, const json_t *outlook, int64_t now_ms)
{
	const char *stage = json_string_value(json_object_get(outlook, "stage"));
	int64_t since = time_parse(json_string_value(json_object_get(outlook, "since")));
	int64_t limit_ms = json_integer_value(json_object_get(outlook, "limit_s")) * 1000;

	if (vm->goal == BOOT_END_INSTALLED && stage && strcmp(stage, "first-boot") == 0)
		return FOLLOW_ARRIVED;
	return since < vm->begin_ms && now_ms - vm->begin_ms < limit_ms ? FOLLOW_GOING
									: FOLLOW_FAILED;
}

enum follow_outcome follow_judge(const struct follow_vm *vm, const json_t *state, int64_t now_ms)
{
	const char *name = json_string_value(json_object_get(state, "state"));

	if (!name)
		return FOLLOW_GOING;
	if (vm->goal == BOOT_END_STARTED && (vm->started || !vm->to_agent))
		return vm->started ? FOLLOW_ARRIVED : FOLLOW_GOING;
	if (machine_state_is(name, MACHINE_FAILED))
		return FOLLOW_FAILED;
	if (strcmp(name, "stalled") == 0)
		return judge_stalled(vm, json_object_get(state, "outlook"), now_ms);
	if (vm->goal == BOOT_END_ANSWERS || vm->goal == BOOT_END_STARTED)
		return FOLLOW_GOING;
	if (machine_state_is(name, MACHINE_READY))
		return vm->goal == BOOT_END_INSTALLED || is_ready(vm, state) ? FOLLOW_ARRIVED
									     : FOLLOW_GOING;
	if (vm->goal == BOOT_END_INSTALLED && machine_state_is(name, MACHINE_INSTALLED))
		return FOLLOW_ARRIVED;
	return FOLLOW_GOING;
}

/* True when something on the machine's port 22 introduces itself as SSH (RFC 4253, 4.2). */
static bool ssh_answers(struct follow *f, const char *ip)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	const struct container *net = container_list_role(&f->s->containers, "net");
	struct err e = ERR_INIT;

	if (!net)
		return false;
	argv_adds(&a, f->s->engine.client, "exec", net->name, "nc", "-w", "1", ip, "22");
	if (process_capture(&a, 4000, 256, &r, &e) < 0 && e.code != ETIMEDOUT)
		return false;
	return r.out && strncmp(r.out, "SSH-", 4) == 0;
}

static void judge(struct follow *f, struct follow_vm *vm)
{
	static const char *const words[] = {
	    [BOOT_END_READY] = "ready",
	    [BOOT_END_INSTALLED] = "installed",
	    [BOOT_END_ANSWERS] = "answers on SSH",
	};
	enum follow_outcome outcome = follow_judge(vm, vm->state, wall_ms());

	if (outcome == FOLLOW_ARRIVED && vm->goal == BOOT_END_READY)
		arrived_ready(f, vm);
	else if (outcome == FOLLOW_ARRIVED)
		arrived(f, vm, vm->goal == BOOT_END_STARTED ? vm->started : words[vm->goal]);
	else if (outcome == FOLLOW_FAILED && state_is(vm, "stalled"))
		stalled(f, vm);
	else if (outcome == FOLLOW_FAILED)
		failed_install(f, vm);
	else if (state_is(vm, "waiting"))
		say_waiting(f, vm);
	else
		plain_progress(f, vm);
	if (vm->outcome == FOLLOW_GOING) {
		say_module(f, vm);
		say_still(f, vm);
	}
	const char *ip = json_string_value(json_object_get(vm->state, "ip"));
	if (vm->outcome == FOLLOW_GOING && vm->goal == BOOT_END_ANSWERS && vm->booted_local && ip &&
	    monotonic_ms() - vm->probed_at_ms > PROBE_MS) {
		if (ssh_answers(f, ip))
			arrived(f, vm, words[vm->goal]);
		vm->probed_at_ms = monotonic_ms();
	}
}

/* ---- looking --------------------------------------------------------------------------------- */

static struct follow_vm *find(struct follow *f, const char *name)
{
	for (size_t i = 0; name && i < f->count; i++)
		if (strcmp(f->vms[i].name, name) == 0)
			return &f->vms[i];
	return NULL;
}

/* The agent is there once it says so. */
static void take_boot(struct follow_vm *vm, const struct boot_mode *mode)
{
	vm->booted_local = mode && mode->verb == BOOT_DISK;
	vm->restarted = boot_mode_restarts(mode);
	vm->to_agent = mode == &boot_mode_agent;
	if (mode && mode->started && !vm->to_agent)
		vm->started = mode->started;
}

static void take_event(struct follow *f, const json_t *event)
{
	struct follow_vm *vm = find(f, json_string_value(json_object_get(event, "vm")));
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *text = json_string_value(json_object_get(event, "text"));
	int64_t at_ms = time_parse(json_string_value(json_object_get(event, "at")));
	_cleanup_free_ char *line = NULL;
	size_t len;

	if (!vm || !kind || vm->outcome != FOLLOW_GOING || at_ms < vm->begin_ms)
		return;
	vm->moved_at_ms = monotonic_ms();
	stages_event(&vm->stages, event);
	if (strcmp(kind, "ipxe") == 0 && text)
		take_boot(vm, boot_mode_find(text));
	if (strcmp(kind, "agent") == 0)
		vm->started = boot_mode_agent.started;
	if (strcmp(kind, "phase") == 0) {
		const char *phase = json_string_value(json_object_get(event, "phase"));
		snprintf(vm->phase, sizeof(vm->phase), "%s", phase ? phase : "");
		vm->plain_at_ms = monotonic_ms();
	}
	/* It was to boot what it had, but installs anew: then it will report. */
	if (vm->goal == BOOT_END_ANSWERS && strcmp(kind, "phase") == 0)
		vm->goal = BOOT_END_READY;
	FILE *m = open_memstream(&line, &len);
	if (!m)
		return;
	/* The end has its own line, and a boot from disk makes nothing newly installed. */
	bool worth = progress_event(m, event, false) &&
		     !(strcmp(kind, "state") == 0 && text &&
			 (!machine_state_is(text, MACHINE_INSTALLED) || vm->restarted));
	if (fclose(m) != 0 || !worth || at_ms < vm->print_from_ms)
		return;
	if (strcmp(kind, "cloud-init") == 0 && !strstr(line, " failed")) {
		snprintf(vm->module, sizeof(vm->module), "%s", line);
		vm->module_at_ms = monotonic_ms();
	} else {
		vm->module[0] = '\0';
		say(f, vm, line);
	}
}

static int take_events(struct follow *f, struct err *e)
{
	for (;;) {
		_cleanup_json_ json_t *doc = NULL;
		const json_t *event;
		size_t i;

		int r = api_get(f->s->api, &doc, e, "/events?after=%" PRId64 "&limit=%d", f->cursor,
		    EVENTS_PER_REQUEST);
		if (r < 0)
			return r;
		const json_t *events = json_object_get(doc, "events");
		json_array_foreach(events, i, event) {
			int64_t id = json_integer_value(json_object_get(event, "id"));
			if (id <= f->cursor)
				continue;
			f->cursor = id;
			take_event(f, event);
		}
		if (json_array_size(events) < EVENTS_PER_REQUEST)
			return 0;
	}
}

static int take_states(struct follow *f, struct err *e)
{
	_cleanup_json_ json_t *doc = NULL;
	const json_t *list;
	json_t *state;
	size_t i;

	int r = api_get(f->s->api, &doc, e, "/vms");
	if (r < 0)
		return r;
	list = json_object_get(doc, "vms");
	json_array_foreach(list, i, state) {
		struct follow_vm *vm = find(f, json_string_value(json_object_get(state, "name")));
		if (!vm || vm->outcome != FOLLOW_GOING)
			continue;
		json_decref(vm->state);
		vm->state = json_incref(state);
		const char *after = json_string_value(json_object_get(state, "after_install"));
		vm->stages.kexec = after && strcmp(after, "kexec") == 0;
		judge(f, vm);
	}
	return 0;
}

static void take_containers(struct follow *f)
{
	struct err e = ERR_INIT;

	if (monotonic_ms() - f->containers_at_ms < CONTAINERS_MS)
		return;
	f->containers_at_ms = monotonic_ms();
	if (session_refresh(f->s, &e) < 0)
		return;
	for (size_t i = 0; i < f->count; i++) {
		struct follow_vm *vm = &f->vms[i];
		const struct container *c = container_list_vm(&f->s->containers, vm->container);
		if (vm->outcome == FOLLOW_GOING && vm->has_container && (!c || !c->running))
			failed_container(f, vm, c);
	}
}

/* The API does not answer: tolerable for a while (the stack may be restarting). */
static bool lost_api(struct follow *f, const struct err *e)
{
	const struct container *stack = container_list_role(&f->s->containers, "stack");
	_cleanup_free_ char *log = NULL;
	struct err log_err = ERR_INIT;

	if (f->silent_since_ms == 0)
		f->silent_since_ms = monotonic_ms();
	bool dead = stack && !stack->running;
	if (!dead && monotonic_ms() - f->silent_since_ms < API_SILENCE_MS)
		return false;
	clear_status(f);
	fprintf(stderr, "vmlab: %s\n", e->msg);
	if (dead &&
	    engine_log_tail(&f->s->engine, stack->name, NULL, LOG_LINES, &log, &log_err) == 0) {
		fputs("the stack's container has ended; its last lines:\n", stderr);
		human_print_lines(stderr, log, "    ", LOG_LINES);
	}
	return true;
}

static size_t going(const struct follow *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->vms[i].outcome == FOLLOW_GOING;
	return n;
}

static int finish(struct follow *f)
{
	clear_status(f);
	for (size_t i = 0; i < f->count; i++)
		if (f->vms[i].outcome != FOLLOW_ARRIVED || f->vms[i].flawed)
			return STATUS_FAILED;
	return STATUS_OK;
}

static void give_up(struct follow *f, int64_t timeout_ms)
{
	char took[HUMAN_TEXT_SIZE];

	for (size_t i = 0; i < f->count; i++) {
		struct follow_vm *vm = &f->vms[i];
		const char *state = json_string_value(json_object_get(vm->state, "state"));
		const char *stays = progress_stays(vm->state);
		if (vm->outcome != FOLLOW_GOING)
			continue;
		sayf(f, vm,
		    "not there, gave up waiting after %s (state: %s): %s; `vmlab wait %s` waits longer, `vmlab console %s` shows its screen",
		    human_duration(timeout_ms, took), state ? state : "unknown",
		    stays ? stays : "it goes on by itself", vm->name, vm->name);
		failed(f, vm);
		print_broken(f, vm);
	}
}

int follow_run(
    struct session *s, struct follow_vm *vms, size_t count, int64_t timeout_ms, FILE *out)
{
	const char *term = getenv("TERM");
	struct follow f = {.s = s,
	    .vms = vms,
	    .count = count,
	    .out = out,
	    .tty = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0,
	    .containers_at_ms = monotonic_ms()};
	int64_t deadline = monotonic_ms() + timeout_ms;

	for (size_t i = 0; i < count; i++) {
		int len = (int)strlen(vms[i].name);
		f.name_width = len > f.name_width ? len : f.name_width;
		stages_begin(&vms[i].stages, vms[i].begin_ms);
		vms[i].moved_at_ms = monotonic_ms();
	}
	interrupt_install();
	while (going(&f) > 0) {
		struct err e = ERR_INIT;
		int r = take_events(&f, &e);
		if (r == 0)
			r = take_states(&f, &e);
		if (r == 0)
			f.silent_since_ms = 0;
		else if (!interrupt_pending() && lost_api(&f, &e))
			return STATUS_FAILED;
		f.looked |= r == 0;
		take_containers(&f);
		if (interrupt_pending()) {
			clear_status(&f);
			return STATUS_INTERRUPTED;
		}
		if (monotonic_ms() >= deadline && going(&f) > 0)
			give_up(&f, timeout_ms);
		draw_status(&f);
		if (going(&f) > 0)
			interrupt_sleep_ms(POLL_MS);
	}
	return finish(&f);
}

void follow_vm_clear(struct follow_vm *vm)
{
	json_decref(vm->state);
	vm->state = NULL;
}
