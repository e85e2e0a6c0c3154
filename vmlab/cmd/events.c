/* events.c - `vmlab events`: what happened to machines and how long it took, afterwards or live. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/definition/mode.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/machine.h"
#include "vmlab/follow/goal.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/vm_container.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "lib/follow/progress.h"
#include "lib/follow/stages.h"

#define EVENTS_MAX 1000 /* of one request */
#define POLL_MS 500

struct watch {
	struct session session;
	const char *name;   /* "" for all */
	const char *before; /* the name it was started under, or NULL */
	bool any;           /* there was one */
	bool all;           /* each step is told */
	FILE *out;
	json_t *last_ms;               /* VM -> when its last event was */
	json_t *restarted;             /* VM -> what boot_mode_restarts() says of its last boot */
	struct stages_history history; /* of the one VM that is named */
	size_t lines;                  /* of the first answer; 0: all */
};

/* Clock time here, with tenths. */
static void print_time(FILE *f, int64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(f, "%s.%d", text, (int)(at_ms % 1000 / 100));
}

/* The time since the machine's event before, which is how long that took. */
static void print_since(struct watch *w, const char *vm, int64_t at_ms)
{
	const json_t *before = json_object_get(w->last_ms, vm);
	char took[HUMAN_TEXT_SIZE] = "";

	if (before && at_ms >= json_integer_value(before))
		human_duration(at_ms - json_integer_value(before), took);
	fprintf(w->out, "  %s%12s", *took ? "+" : " ", took);
	json_object_set_new(w->last_ms, vm, json_integer(at_ms));
}

/* A machine that boots from its disk, or the agent, is not newly installed, though that is its
 * state again. */
static bool is_news(struct watch *w, const char *vm, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "kind"));
	const char *text = json_string_value(json_object_get(event, "text"));

	if (!kind || !text)
		return true;
	if (strcmp(kind, "ipxe") == 0) {
		const struct boot_mode *mode = boot_mode_find(text);
		json_object_set_new(w->restarted, vm, json_boolean(boot_mode_restarts(mode)));
	}
	return strcmp(kind, "state") != 0 || !machine_state_is(text, MACHINE_INSTALLED) ||
	       !json_is_true(json_object_get(w->restarted, vm));
}

/* `show` is false for those of before, which tell only what the others mean. */
static void print_event(struct watch *w, const json_t *event, bool show)
{
	const char *vm = json_string_value(json_object_get(event, "vm"));
	int64_t at_ms = time_parse(json_string_value(json_object_get(event, "at")));
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	bool said = progress_event(f, event, w->all);
	fclose(f);
	if (*w->name)
		stages_history_event(&w->history, event);
	if (!vm || at_ms < 0 || !is_news(w, vm, event) || !said || !show)
		return;
	print_time(w->out, at_ms);
	print_since(w, vm, at_ms);
	fprintf(w->out, "  ");
	if (!*w->name) {
		human_print_clean(w->out, vm);
		fputs("  ", w->out);
	}
	fprintf(w->out, "%s\n", text);
}

/* Prints the events of one answer; how many, or -errno. *cursor goes on behind the last. */
static int print_page(
    struct watch *w, const char *vm, const char *query, int64_t *cursor, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *event;
	size_t i;

	int r = api_get(w->session.api, &answer, e, "/events?%s%s%s", query, *vm ? "&vm=" : "", vm);
	if (r < 0)
		return r;
	const json_t *events = json_object_get(answer, "events");
	size_t count = json_array_size(events);
	size_t hidden = w->lines && count > w->lines ? count - w->lines : 0;
	json_array_foreach(events, i, event) {
		print_event(w, event, i >= hidden);
	}
	w->lines = 0;
	w->any |= count > 0;
	*cursor = json_integer_value(json_object_get(answer, "last"));
	return (int)json_array_size(events);
}

static int watch(struct watch *w, const char *limit, bool follow, struct err *e)
{
	int64_t cursor = 0;
	char query[64];
	int r = 0;

	w->lines = (size_t)atol(limit);
	snprintf(query, sizeof(query), "limit=%d", EVENTS_MAX);
	if (w->before && (r = print_page(w, w->before, query, &(int64_t){0}, e)) >= 0)
		w->lines = (size_t)atol(limit);
	if (r >= 0)
		r = print_page(w, w->name, query, &cursor, e);
	while (r >= 0 && follow && !interrupt_pending()) {
		fflush(w->out);
		snprintf(query, sizeof(query), "limit=%d&after=%" PRId64, EVENTS_MAX, cursor);
		r = print_page(w, w->name, query, &cursor, e);
		if (r == 0)
			interrupt_sleep_ms(POLL_MS);
	}
	if (r >= 0 && !follow && w->history.finished.count > 0) {
		const char *const names[] = {w->name};
		const struct stages *const list[] = {&w->history.finished};
		fputs("\nHow long each stage took, the last time it got there:\n", w->out);
		stages_print_table(w->out, 1, names, list);
	}
	if (r >= 0 && !follow && !w->any)
		fprintf(stderr,
		    "vmlab: there are no events of %s yet: a boot is one, and an order\n",
		    *w->name ? w->name : "any machine");
	return r < 0 ? r : 0;
}

static const struct option options[] = {
    {"follow", no_argument, NULL, 'f'},
    {"lines", required_argument, NULL, 'n'},
    {"all", no_argument, NULL, 'a'},
    {0},
};

/* Of one that was given another name its events are under both, one after the other. */
static void find_container(struct watch *w)
{
	const struct container *c = vm_container_find(&w->session, w->name);

	w->history.on_ms = goal_container_start_ms(c, -1);
	if (c && strcmp(c->vm, w->name) != 0)
		w->before = c->vm;
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct watch w = {.session = SESSION_INIT, .name = "", .out = stdout};
	struct err e = ERR_INIT;
	const char *limit = "200";
	bool follow = false;
	int o;

	while ((o = getopt_long(argc, argv, "afn:", options, NULL)) != -1) {
		follow |= o == 'f';
		w.all |= o == 'a';
		if (o == 'n' && (strspn(optarg, "0123456789") != strlen(optarg) ||
				    atol(optarg) < 1 || atol(optarg) > EVENTS_MAX))
			return command_usage(
			    &events_command, "-n takes a number from 1 to %d", EVENTS_MAX);
		if (o == 'n')
			limit = optarg;
		if (o == '?')
			return command_wrong_option(&events_command, argv);
	}
	if (argc - optind > 1)
		return command_usage(&events_command, "one NAME, or none for all");
	if (optind < argc)
		w.name = argv[optind];
	w.last_ms = json_object();
	w.restarted = json_object();
	interrupt_install();
	int r = session_open(&w.session, lab, &e);
	if (r == 0 && *w.name)
		r = session_check_name(&w.session, w.name, &e);
	_cleanup_free_ char *machine =
	    r == 0 && *w.name ? vm_container_machine(&w.session, w.name) : NULL;
	if (machine)
		w.name = machine;
	if (r == 0)
		r = session_need_stack(&w.session, &e);
	if (r == 0 && *w.name)
		find_container(&w);
	if (r == 0)
		r = watch(&w, limit, follow, &e);
	json_decref(w.last_ms);
	json_decref(w.restarted);
	session_clear(&w.session);
	if (interrupt_pending())
		return STATUS_OK;
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command events_command = {
    .name = "events",
    .args = "[-a] [-f] [-n NUMBER] [NAME]",
    .summary = "what happened to machines, and how long each step took",
    .help =
	"Prints the lab's timeline, oldest first: the time, how long after the machine's event before,\n"
	"and what happened. With a name only that VM's, and below it how long each stage of its last\n"
	"finished boot or install took, as `vmlab up` counts it.\n"
	"\n"
	"  -a, --all          each step, also of DHCP, TFTP, downloads and the ends of phases\n"
	"  -f, --follow       go on as more happens, until Ctrl-C\n"
	"  -n, --lines N      the last N events (default 200, at most 1000)\n"
	"\n"
	"Examples:\n"
	"  vmlab events web1\n"
	"  vmlab events -f\n"
	"  vmlab events --all web1\n",
    .run = run,
    .operands = OPERANDS_VM,
};
