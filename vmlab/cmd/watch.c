/* watch.c - `vmlab logs`, `vmlab console`, `vmlab wait`: looking at what runs. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/machine.h"
#include "vmlab/lab/command.h"
#include "vmlab/follow/follow.h"
#include "vmlab/follow/goal.h"
#include "lib/base/human.h"
#include "vmlab/lab/mounts.h"
#include "vmlab/lab/vm_container.h"
#include "vmlab/follow/power_state.h"
#include "lib/follow/progress.h"

/* ---- logs ------------------------------------------------------------------------------------ */

static const struct option logs_options[] = {
    {"follow", no_argument, NULL, 'f'},
    {"tail", required_argument, NULL, 'n'},
    {"since", required_argument, NULL, 's'},
    {"installer", no_argument, NULL, 'i'},
    {0},
};

static int installer_log(struct session *s, const char *name, struct err *e)
{
	_cleanup_json_ json_t *vm = NULL;
	int r = api_get(s->api, &vm, e, "/vms/%s", name);

	if (r < 0)
		return r;
	const char *log = json_string_value(json_object_get(vm, "log"));
	if (!log || !*log)
		fprintf(stderr, "%s's installer has reported no log yet\n", name);
	progress_installer_log(stdout, vm);
	return 0;
}

struct log_wish {
	bool follow;
	const char *tail, *since; /* NULL: all */
};

static int engine_log(
    struct session *s, const char *name, const struct log_wish *wish, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	const struct container *c =
	    name ? vm_container_find(s, name) : container_list_role(&s->containers, "stack");

	if (!c)
		return err_set(e, ENOENT, "%s is not there to have a log: `vmlab up%s%s` starts it",
		    name ? name : "the stack", name ? " " : "", name ? name : "");
	argv_add(&a, "logs");
	/* A console is shown as it was; the stack's lines come from daemons that tell no time. */
	if (!name)
		argv_add(&a, "--timestamps");
	if (wish->follow)
		argv_add(&a, "--follow");
	if (wish->tail)
		argv_addf(&a, "--tail=%s", wish->tail);
	if (wish->since)
		argv_addf(&a, "--since=%s", wish->since);
	argv_add(&a, c->name);
	return engine_exec(&s->engine, &a, e);
}

/* What the engine takes: an age, or a date that may go on to a time and a zone. */
static bool since_valid(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || strlen(text) > 40)
		return false;
	if (text[digits] == '-')
		return text[strspn(text, "0123456789-:.TZ+")] == '\0';
	return text[strspn(text, "0123456789hms.")] == '\0';
}

static int logs_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err e = ERR_INIT;
	struct log_wish wish = {0};
	bool installer = false;
	int o;

	while ((o = getopt_long(argc, argv, "fn:", logs_options, NULL)) != -1) {
		wish.follow |= o == 'f';
		installer |= o == 'i';
		if (o == 'n')
			wish.tail = optarg;
		if (o == 's')
			wish.since = optarg;
		if (o == 's' && !since_valid(optarg))
			return command_usage(&logs_command,
			    "\"%s\" is no time: give an age such as 90s, 10m, 2h, or 2025-01-31T12:00:00",
			    optarg);
		if (o == '?')
			return command_wrong_option(&logs_command, argv);
	}
	if (argc - optind > 1 || (installer && argc == optind))
		return command_usage(&logs_command, "one NAME, please");
	const char *name = optind < argc ? argv[optind] : NULL;
	int r = session_open(&s, lab, &e);
	if (r == 0 && name)
		r = session_check_name(&s, name, &e);
	if (r == 0)
		r = installer ? session_need_stack(&s, &e) : 0;
	if (r == 0)
		r = installer ? installer_log(&s, name, &e) : engine_log(&s, name, &wish, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command logs_command = {
    .name = "logs",
    .args = "[-f] [-n LINES] [--since TIME] [--installer] [NAME]",
    .summary = "the stack's log, a VM's serial console, or its installer's log",
    .help =
	"Without a name the stack's log: DHCP, TFTP, HTTP, what each machine was told. With a name\n"
	"what that VM has printed on its serial console since it was started.\n"
	"\n"
	"  -f, --follow     go on as more comes\n"
	"  -n, --tail N     only the last N lines\n"
	"  --since TIME     only what is younger: an age (90s, 10m, 2h) or a time (2025-01-31T12:00:00)\n"
	"  --installer      what the VM's installer reported: of a failure phase, reason and hint, then\n"
	"                   the last 100 lines of its log\n"
	"\n"
	"Examples:\n"
	"  vmlab logs -f\n"
	"  vmlab logs -n 50 web1\n"
	"  vmlab logs --installer web1\n",
    .run = logs_run,
    .operands = OPERANDS_VM,
};

/* ---- console --------------------------------------------------------------------------------- */

/* Clients differ in the status they end with when the keys to leave were pressed. What tells is the
 * machine: while it runs, it was left, not lost. */
static int attach(struct session *s, const char *vm, const char *container, const struct argv *a)
{
	struct err e = ERR_INIT;
	bool runs = false;
	int status;

	int r = process_attach(a, PROCESS_FREE, &status, &e);
	if (r == 0)
		r = session_refresh(s, &e);
	if (r < 0)
		return command_fail(&e);
	for (size_t i = 0; i < s->containers.count; i++)
		runs |= strcmp(s->containers.items[i].name, container) == 0 &&
			s->containers.items[i].running;
	if (runs)
		fprintf(stderr, "\r\n%s goes on; `vmlab console %s` comes back to it.\n", vm, vm);
	else
		fprintf(stderr, "\r\n%s has ended; `vmlab logs %s` shows what its console said.\n",
		    vm, vm);
	return runs || status == 0 ? STATUS_OK : STATUS_FAILED;
}

static int console_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_argv_ struct argv a = ARGV_INIT;
	struct err e = ERR_INIT;

	if (argc != 2 || argv[1][0] == '-')
		return command_usage(&console_command, "one NAME, please");
	if (!isatty(STDIN_FILENO))
		return command_usage(&console_command,
		    "this is for a terminal; `vmlab logs -f %s` shows the console without one",
		    argv[1]);
	int r = session_open(&s, lab, &e);
	if (r == 0)
		r = session_check_name(&s, argv[1], &e);
	const struct container *c = r == 0 ? vm_container_find(&s, argv[1]) : NULL;
	if (r == 0 && (!c || !c->running))
		r = err_set(&e, 1,
		    "%s is not running: `vmlab up %s` starts it, `vmlab logs %s` shows what its console said",
		    argv[1], argv[1], argv[1]);
	if (r < 0)
		return command_fail(&e);
	fprintf(stderr,
	    "Console of %s. Ctrl-] leaves it, and %s goes on; once its system is up, Enter brings a prompt.\n",
	    argv[1], argv[1]);
	argv_adds(
	    &a, s.engine.client, "attach", "--detach-keys=ctrl-]", "--sig-proxy=false", c->name);
	_cleanup_free_ char *name = strdup(c->name); /* the list may be made anew */
	return attach(&s, argv[1], name ? name : "", &a);
}

const struct command console_command = {
    .name = "console",
    .args = "NAME",
    .summary = "a VM's serial console, with keyboard",
    .help =
	"Attaches this terminal to the VM's serial console: firmware, iPXE, installer, login prompt.\n"
	"Ctrl-] leaves it, the VM goes on. Enter brings a prompt once the installed system is up. The same\n"
	"console is in the browser (`vmlab dashboard`), for several at once; all see what is printed, and\n"
	"what is typed by any of them reaches the VM.\n"
	"\n"
	"Example:\n"
	"  vmlab console web1\n",
    .run = console_run,
    .operands = OPERANDS_VM,
};

/* ---- wait ------------------------------------------------------------------------------------ */

static const struct option wait_options[] = {
    {"for", required_argument, NULL, 'f'},
    {"timeout", required_argument, NULL, 't'},
    {"quiet", no_argument, NULL, 'q'},
    {0},
};

/* All VMs of the lab that run. */
static void name_all(struct session *s, struct argv *names)
{
	for (size_t i = 0; i < s->containers.count; i++) {
		const struct container *c = &s->containers.items[i];
		_cleanup_free_ char *name = NULL;
		if (c->vm && c->running && strcmp(c->role, "vm") == 0 &&
		    (name = vm_container_machine(s, c->vm)))
			argv_add(names, name);
	}
}

/* A machine that is off gets nowhere; it may have got far enough before. Changes the goal for one
 * that tells of its first boot only, and was ready before it was started this time. */
static int judge_power(struct session *s, const char *name, enum boot_end *goal, struct err *e)
{
	const struct container *c = vm_container_find(s, name);
	_cleanup_json_ json_t *vm = NULL;
	struct goal_expected expected;
	struct err ignored = ERR_INIT;

	int known = api_get(s->api, &vm, &ignored, "/vms/%s", name);
	if (known == -ENOENT)
		return err_set(e, ENOENT,
		    "%s has no definition, and so nothing tells how far it is: `vmlab machines` lists it, `vmlab adopt` writes one",
		    name);
	if (known < 0)
		vm = NULL;
	const char *state = json_string_value(json_object_get(vm, "recorded"));
	bool installed =
	    machine_state_is(state, MACHINE_INSTALLED) || machine_state_is(state, MACHINE_READY);
	if (power_state_of(c, vm) == POWER_STOPPED && !(*goal == BOOT_END_INSTALLED && installed))
		return err_set(e, ENOTCONN, "%s is stopped: `vmlab up %s` starts it", name, name);
	if (*goal == BOOT_END_READY && power_state_was_ready(c, vm) && goal_told(vm, &expected) &&
	    expected.ends == BOOT_END_ANSWERS)
		*goal = BOOT_END_ANSWERS;
	return 0;
}

static int wait_for(struct session *s, const struct argv *names, enum boot_end wanted,
    int64_t timeout_ms, bool quiet)
{
	_cleanup_free_ struct follow_vm *vms = calloc(names->count + 1, sizeof(*vms));
	_cleanup_fclose_ FILE *null = quiet ? fopen("/dev/null", "we") : NULL;
	int64_t now = wall_ms();

	if (!vms || (quiet && !null))
		return STATUS_FAILED;
	for (size_t i = 0; i < names->count; i++) {
		const struct container *c = vm_container_find(s, names->items[i]);
		enum boot_end goal = wanted;
		struct err e = ERR_INIT;
		if (judge_power(s, names->items[i], &goal, &e) < 0)
			return command_fail(&e);
		vms[i] = (struct follow_vm){.name = names->items[i],
		    .goal = goal,
		    .has_container = c && c->running,
		    .begin_ms = goal_container_start_ms(c, now),
		    .print_from_ms = now};
		snprintf(
		    vms[i].container, sizeof(vms[i].container), "%s", c ? c->vm : names->items[i]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	int status = follow_run(s, vms, names->count, timeout_ms, quiet ? null : stdout);
	for (size_t i = 0; i < names->count; i++)
		follow_vm_clear(&vms[i]);
	return status;
}

static int wait_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_argv_ struct argv names = ARGV_INIT;
	enum boot_end goal = BOOT_END_READY;
	int64_t timeout_ms = 30 * 60 * 1000;
	struct err e = ERR_INIT;
	char stale[sizeof(e.msg)];
	bool quiet = false;
	int o;

	while ((o = getopt_long(argc, argv, "q", wait_options, NULL)) != -1) {
		quiet |= o == 'q';
		if (o == 'f' && strcmp(optarg, "installed") == 0)
			goal = BOOT_END_INSTALLED;
		else if (o == 'f' && strcmp(optarg, "ready") != 0)
			return command_usage(&wait_command, "--for is installed or ready");
		if (o == 't' && command_duration(optarg, &timeout_ms) < 0)
			return command_usage(
			    &wait_command, "\"%s\" is no duration like 90, 10m", optarg);
		if (o == '?')
			return command_wrong_option(&wait_command, argv);
	}
	int r = session_open(&s, lab, &e);
	for (int i = optind; r == 0 && i < argc; i++) {
		r = session_check_name(&s, argv[i], &e);
		_cleanup_free_ char *name = r == 0 ? vm_container_machine(&s, argv[i]) : NULL;
		argv_add(&names, name ? name : argv[i]);
	}
	const struct container *stack = container_list_role(&s.containers, "stack");
	if (r == 0 && names.count > 0 && (!stack || !stack->running))
		r = err_set(&e, ENOTCONN,
		    "lab \"%s\" is down, and nothing in it gets on: `vmlab up %s` starts it",
		    lab->name, names.items[0]);
	if (r == 0 && mounts_complaint(&s, stale, sizeof(stale)))
		r = err_set(&e, ESTALE, "%s", stale);
	if (r == 0 && optind == argc)
		name_all(&s, &names);
	if (r == 0 && names.count == 0)
		r = err_set(&e, 1, "no VM is running that could be waited for: `vmlab up`");
	if (r < 0)
		return command_fail(&e);
	return wait_for(&s, &names, goal, timeout_ms, quiet);
}

const struct command wait_command = {
    .name = "wait",
    .args = "[--for installed|ready] [--timeout TIME] [-q] [NAME...]",
    .summary = "wait until VMs are installed or ready",
    .help =
	"Waits for the named VMs, or all that run, showing how they get on. Ends at once for those\n"
	"that are there already, and with status 1 as soon as all others are there but one failed,\n"
	"does not get on (stalled), or is ready but its cloud-init met errors.\n"
	"\n"
	"  --for installed   the installer has reported success\n"
	"  --for ready       the installed system's first boot has reported (default)\n"
	"  --timeout TIME    e.g. 600, 10m, 1h (default 30m)\n"
	"  -q, --quiet       show nothing but errors\n"
	"\n"
	"Example:\n"
	"  vmlab up --no-wait && vmlab wait --for ready --timeout 10m web1 && vmlab ssh web1 id\n",
    .run = wait_run,
    .operands = OPERANDS_VMS,
};
