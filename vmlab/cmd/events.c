/* events.c - `vmlab events`: what happened to machines and how long it took, afterwards or live. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/definition/mode.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/machine.h"
#include "vmlab/cmd/event_choice.h"
#include "vmlab/follow/goal.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/lab/vm_container.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "lib/follow/progress.h"
#include "lib/follow/stages.h"

#define EVENTS_MAX 1000 /* of one request */
#define POLL_MS 500
#define LINES 200

struct watch {
	struct session session;
	const char *name;   /* "" for all */
	const char *before; /* the name it was started under, or NULL */
	bool nameless;      /* it is named by a MAC address, serial number or UUID */
	struct event_choice choice;
	char *filter; /* the same as a query */
	bool any;     /* there was one */
	bool all;     /* each step is told */
	bool json, follow;
	FILE *out;
	json_t *last_ms;               /* VM -> when its last event was */
	json_t *restarted;             /* VM -> what boot_mode_restarts() says of its last boot */
	struct stages_history history; /* of the one VM that is named */
	size_t lines;                  /* the last ones of those there are; 0: all */
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

/* As the API has it, on one line. */
static void print_json(struct watch *w, const json_t *event)
{
	json_dumpf(event, w->out, JSON_COMPACT);
	fputc('\n', w->out);
}

/* Prints the events of one answer; how many, or -errno. *cursor goes on behind the last. */
static int print_page(
    struct watch *w, const char *vm, const char *query, int64_t *cursor, struct err *e)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *key = w->nameless ? "&machine=" : "&vm=";
	const json_t *event;
	size_t i;

	int r = api_get(
	    w->session.api, &answer, e, "/events?%s%s%s%s", query, w->filter, *vm ? key : "", vm);
	if (r < 0)
		return r;
	const json_t *events = json_object_get(answer, "events");
	size_t count = json_array_size(events);
	size_t hidden = w->lines && count > w->lines ? count - w->lines : 0;
	json_array_foreach(events, i, event) {
		if (!w->json)
			print_event(w, event, i >= hidden);
		else if (i >= hidden)
			print_json(w, event);
	}
	w->any |= count > 0;
	*cursor = json_integer_value(json_object_get(answer, "last"));
	return (int)count;
}

/* Those there are: the last `lines`, or all of a time. */
static int print_past(struct watch *w, const char *vm, int64_t *cursor, struct err *e)
{
	char query[64];
	int r;

	snprintf(query, sizeof(query), "limit=%d", EVENTS_MAX);
	if (w->lines)
		return print_page(w, vm, query, cursor, e);
	do {
		snprintf(query, sizeof(query), "limit=%d&after=%" PRId64, EVENTS_MAX, *cursor);
		r = print_page(w, vm, query, cursor, e);
	} while (r == EVENTS_MAX && !interrupt_pending());
	return r;
}

static int print_coming(struct watch *w, int64_t *cursor, struct err *e)
{
	char query[64];
	int r = 0;

	w->lines = 0;
	while (r >= 0 && !interrupt_pending()) {
		fflush(w->out);
		snprintf(query, sizeof(query), "limit=%d&after=%" PRId64, EVENTS_MAX, *cursor);
		r = print_page(w, w->name, query, cursor, e);
		if (r == 0)
			interrupt_sleep_ms(POLL_MS);
	}
	return r;
}

static void print_stages(const struct watch *w)
{
	const char *const names[] = {w->name};
	const struct stages *const list[] = {&w->history.finished};

	if (w->json || w->history.finished.count == 0 || !event_choice_is_any(&w->choice))
		return;
	fputs("\nHow long each stage took, the last time it got there:\n", w->out);
	stages_print_table(w->out, 1, names, list);
}

static int watch(struct watch *w, struct err *e)
{
	int64_t cursor = 0;
	int r = 0;

	if (w->before)
		r = print_past(w, w->before, &(int64_t){0}, e);
	if (r >= 0)
		r = print_past(w, w->name, &cursor, e);
	if (r >= 0 && w->follow)
		r = print_coming(w, &cursor, e);
	if (r < 0 || w->follow)
		return r < 0 ? r : 0;
	print_stages(w);
	if (!w->any && event_choice_is_any(&w->choice))
		fprintf(stderr,
		    "vmlab: there are no events of %s yet: a boot is one, and an order\n",
		    *w->name ? w->name : "any machine");
	else if (!w->any)
		fprintf(stderr, "vmlab: there are no such events of %s\n",
		    *w->name ? w->name : "any machine");
	return 0;
}

static const struct option options[] = {
    {"follow", no_argument, NULL, 'f'},
    {"lines", required_argument, NULL, 'n'},
    {"all", no_argument, NULL, 'a'},
    {"json", no_argument, NULL, 'j'},
    {"kind", required_argument, NULL, 'k'},
    {"severity", required_argument, NULL, 's'},
    {"since", required_argument, NULL, 'S'},
    {"until", required_argument, NULL, 'U'},
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

static int take_lines(struct watch *w, const char *text, struct err *e)
{
	if (strspn(text, "0123456789") != strlen(text) || atol(text) < 1 || atol(text) > EVENTS_MAX)
		return err_set(e, EINVAL, "-n takes a number from 1 to %d", EVENTS_MAX);
	w->lines = (size_t)atol(text);
	return 0;
}

static int take_option(struct watch *w, int o, const char *value, struct err *e)
{
	w->follow |= o == 'f';
	w->all |= o == 'a';
	w->json |= o == 'j';
	if (o == 'n')
		return take_lines(w, value, e);
	if (o == 'k')
		return event_choice_set_kinds(&w->choice, value, e);
	if (o == 's')
		return event_choice_set_severity(&w->choice, value, e);
	if (o == 'S')
		return event_choice_time(value, wall_ms(), &w->choice.since_ms, e);
	if (o == 'U')
		return event_choice_time(value, wall_ms(), &w->choice.until_ms, e);
	return 0;
}

static int parse(struct watch *w, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "afn:S:U:", options, NULL)) != -1) {
		if (o == '?')
			return command_wrong_option(&events_command, argv);
		if (take_option(w, o, optarg, &e) < 0)
			return command_usage(&events_command, "%s", e.msg);
	}
	if (argc - optind > 1)
		return command_usage(&events_command, "one NAME, or none for all");
	if (w->follow && w->choice.until_ms)
		return command_usage(
		    &events_command, "--follow has no end: leave it out, or --until");
	if (!w->lines && !w->choice.since_ms)
		w->lines = LINES;
	/* Of a severity that was asked for each is told; JSON has no more than a person is told. */
	w->all |= w->choice.severity != NULL;
	if (w->json && !w->all)
		w->choice.severity = "info";
	if (optind < argc)
		w->name = argv[optind];
	return STATUS_OK;
}

/* One without a definition, as the API is asked for it in `id`. False: nobody shows that. */
static bool find_nameless(struct watch *w, char id[MACHINE_ID_SIZE])
{
	_cleanup_json_ json_t *answer = NULL;
	struct err ignored = ERR_INIT;

	if (machine_id_encode(w->name, id, &ignored) < 0 ||
	    api_get(w->session.api, &answer, &ignored, "/machines/%s/orders", id) < 0)
		return false;
	w->name = id;
	w->nameless = true;
	return true;
}

static int find_machine(struct watch *w, char id[MACHINE_ID_SIZE], char **machine, struct err *e)
{
	int r =
	    vm_name_valid(w->name)
		? session_check_name(&w->session, w->name, e)
		: err_set(e, ENOENT,
		      "there is no machine \"%s\": `vmlab machines` lists who is known", w->name);

	if (r < 0)
		return find_nameless(w, id) ? 0 : r;
	*machine = vm_container_machine(&w->session, w->name);
	if (*machine)
		w->name = *machine;
	find_container(w);
	return 0;
}

static int go(struct watch *w, struct lab *lab, struct err *e)
{
	_cleanup_free_ char *machine = NULL;
	char id[MACHINE_ID_SIZE];

	int r = session_open(&w->session, lab, e);
	if (r == 0)
		r = session_need_stack(&w->session, e);
	if (r == 0 && *w->name)
		r = find_machine(w, id, &machine, e);
	return r == 0 ? watch(w, e) : r;
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct watch w = {.session = SESSION_INIT, .name = "", .out = stdout};
	struct err e = ERR_INIT;

	int status = parse(&w, argc, argv);
	if (status != STATUS_OK)
		return status;
	w.last_ms = json_object();
	w.restarted = json_object();
	w.filter = event_choice_query(&w.choice);
	interrupt_install();
	int r = w.filter ? go(&w, lab, &e) : err_set(&e, ENOMEM, "out of memory");
	json_decref(w.last_ms);
	json_decref(w.restarted);
	free(w.filter);
	session_clear(&w.session);
	if (interrupt_pending())
		return STATUS_OK;
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command events_command = {
    .name = "events",
    .args = "[-af] [-n N] [--kind K] [--severity S] [--since T] [--until T] [--json] [NAME]",
    .summary = "what happened to machines, and how long each step took",
    .help =
	"Prints the lab's timeline, oldest first: the time, how long after the machine's event before,\n"
	"and what happened. With a name only that machine's, and below it how long each stage of its last\n"
	"finished boot or install took, as `vmlab up` counts it. A machine without a definition is named by\n"
	"its MAC address, serial number or UUID.\n"
	"\n"
	"  -a, --all        each step, also of DHCP, TFTP, downloads and the ends of phases\n"
	"  -f, --follow     go on as more happens, until Ctrl-C\n"
	"  -n, --lines N    the last N events (default 200, at most 1000; with --since: all)\n"
	"  --kind K         of this kind, or of several joined by commas, as dhcp,ipxe\n"
	"  --severity S     debug, info, warning or error, and more than that\n"
	"  -S, --since T    from this time on: \"2026-01-31 12:00\", 12:00, or 15m for 15 minutes ago\n"
	"  -U, --until T    before this time\n"
	"  --json           each event on a line of its own, as the API has it\n"
	"\n"
	"vmlab/README.md lists the kinds, and what an event has.\n"
	"\n"
	"Examples:\n"
	"  vmlab events web1\n"
	"  vmlab events -f --severity warning\n"
	"  vmlab events --all --since 10m web1\n"
	"  vmlab events --json --kind state | jq -r 'select(.text == \"ready\").vm'\n",
    .run = run,
    .operands = OPERANDS_VM,
};
