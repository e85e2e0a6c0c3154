/* ls.c - `vmlab ls`: what is defined, what runs and how far it is; also while the stack is down. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/boot/boot.h"
#include "lib/definition/mode.h"
#include "lib/base/clock.h"
#include "vmlab/lab/command.h"
#include "lib/base/human.h"
#include "vmlab/follow/power_state.h"
#include "vmlab/ui/interrupt.h"
#include "vmlab/lab/mounts.h"
#include "vmlab/lab/problems.h"
#include "vmlab/lab/vm_container.h"
#include "vmlab/follow/table.h"
#include "vmlab/lab/vm_disks.h"

/* Everything known, from whoever answers. */
struct listing {
	struct session session;
	struct vm_store *store; /* NULL: no folder */
	const struct vm_snapshot *snap;
	json_t *api;     /* {"vms":…,"problems":…}, or NULL while the stack is down */
	char down[1000]; /* as much as an error sentence */
	char stale[4400];
};

static void listing_clear(struct listing *l)
{
	json_decref(l->api);
	if (l->snap)
		vm_snapshot_unref(l->snap);
	if (l->store)
		vm_store_close(l->store);
	session_clear(&l->session);
}

static json_t *from_definition(const struct vm *vm)
{
	char mac[MAC_TEXT_SIZE], ip[INET_ADDRSTRLEN];
	json_t *disks = json_array();
	bool fixed = vm->ip.s_addr && inet_ntop(AF_INET, &vm->ip, ip, sizeof(ip));

	for (unsigned i = 0; i < vm->disk_count; i++)
		json_array_append_new(disks, json_integer((json_int_t)vm->disk_bytes[i]));
	return json_pack("{s:s, s:s?, s:s?, s:s, s:s?, s:s?, s:s?, s:s, s:i, s:I, s:o, s:n}",
	    "name", vm->name, "mac", vm->mac_made ? NULL : mac_format(&vm->mac, mac), "ip",
	    fixed ? ip : NULL, "arch", vm_arch_name(vm->arch), "distro", vm->distro, "image",
	    boot_mode_of(vm)->needs & BOOT_NEEDS_BOOT ? vm->image : NULL, "hostname", vm->hostname,
	    "mode", boot_mode_name(vm->mode), "cpus", (int)vm->cpus, "memory_bytes",
	    (json_int_t)vm->memory_bytes, "disks_bytes", disks, "state");
}

/* Adds or completes one VM in `vms`, an object keyed by name. */
static void merge(json_t *vms, const char *name, json_t *fresh)
{
	json_t *old = json_object_get(vms, name);

	if (old)
		json_object_update_missing_new(old, fresh);
	else
		json_object_set_new(vms, name, fresh);
}

/* Without a container: one whose disk is kept is stopped. Of others nothing but their definition is
 * known, unless the API tells of them: machines that are not the engine's. */
static void add_kept(const struct listing *l, json_t *vms)
{
	size_t room = json_object_size(vms), count = 0;
	_cleanup_free_ const char **names = calloc(room + 1, sizeof(*names));
	_cleanup_free_ bool *kept = calloc(room + 1, sizeof(*kept));
	const char *name;
	json_t *vm;

	if (!names || !kept)
		return;
	json_object_foreach(vms, name, vm) {
		if (!json_object_get(vm, "container"))
			names[count++] = name;
	}
	vm_disks_kept(&l->session.engine, l->session.lab, names, count, kept);
	for (size_t i = 0; i < count; i++) {
		vm = json_object_get(vms, names[i]);
		json_object_set_new(vm, "container", json_null());
		json_object_set_new(vm, "power",
		    kept[i] ? json_string(power_state_name(POWER_STOPPED)) : json_null());
		if (!kept[i] && !json_is_string(json_object_get(vm, "state")))
			json_object_set_new(vm, "state", json_string("declared"));
	}
}

/* One that runs under another name than its definition has is that definition's machine. */
static void add_container(const struct listing *l, json_t *vms, const struct container *c)
{
	const struct vm *adopter = vm_container_adopter(&l->session.containers, l->snap, c);
	const char *name = adopter ? adopter->name : c->vm;

	if (!c->vm || strcmp(c->role, "vm") != 0)
		return;
	merge(vms, name, json_pack("{s:s, s:n}", "name", name, "state"));
	json_t *vm = json_object_get(vms, name);
	const char *had = json_string_value(json_object_get(vm, "container"));
	if (adopter && had && !c->running)
		return;
	/* Nothing of what it does is told but by a definition's machine. */
	bool unknown = l->api && !json_object_get(vm, "mode");
	const char *power = power_state_name(power_state_of(c, l->api && !unknown ? vm : NULL));
	if (unknown)
		json_object_set_new(vm, "defined", json_false());
	json_object_set_new(vm, "container", json_string(c->status));
	json_object_set_new(vm, "power", json_string(power));
	if (adopter)
		json_object_set_new(vm, "started_as", json_string(c->vm));
}

/* One object a VM, sorted by name: the API's fields and "container". New reference. */
static json_t *merge_all(struct listing *l)
{
	_cleanup_json_ json_t *vms = json_object();
	const json_t *list = json_object_get(l->api, "vms");
	const char *name;
	json_t *vm, *out = json_array();
	size_t i;

	json_array_foreach(list, i, vm) {
		merge(vms, json_string_value(json_object_get(vm, "name")), json_incref(vm));
	}
	for (i = 0; l->snap && i < vm_snapshot_count(l->snap); i++) {
		const struct vm *defined = vm_snapshot_at(l->snap, i);
		merge(vms, defined->name, from_definition(defined));
	}
	for (i = 0; i < l->session.containers.count; i++)
		add_container(l, vms, &l->session.containers.items[i]);
	add_kept(l, vms);
	/* Keys come out sorted only through the dumper: sort by hand. */
	size_t count = json_object_size(vms);
	_cleanup_free_ const char **names = calloc(count + 1, sizeof(*names));
	i = 0;
	json_object_foreach(vms, name, vm) {
		if (names)
			names[i++] = name;
	}
	table_sort(names, names ? count : 0);
	for (i = 0; names && i < count; i++)
		json_array_append(out, json_object_get(vms, names[i]));
	return out;
}

/* What the disks have, which need not be what their definitions say: "disks_seen_bytes", null where
 * there is none yet or it is not this lab's. */
static void add_disks(struct listing *l, json_t *vms)
{
	size_t count = json_array_size(vms), i;
	_cleanup_free_ const char **names = calloc(count + 1, sizeof(*names));
	_cleanup_free_ struct vm_disks *disks = calloc(count + 1, sizeof(*disks));
	json_t *vm;

	if (!names || !disks)
		return;
	json_array_foreach(vms, i, vm) {
		const char *before = json_string_value(json_object_get(vm, "started_as"));
		names[i] = before ? before : json_string_value(json_object_get(vm, "name"));
	}
	vm_disks_look_all(&l->session.engine, l->session.lab, names, count, disks);
	json_array_foreach(vms, i, vm) {
		json_t *list = json_array();
		for (unsigned k = 0; k < VM_DISKS_MAX; k++)
			if (disks[i].bytes[k])
				json_array_append_new(
				    list, json_integer((json_int_t)disks[i].bytes[k]));
		if (json_array_size(list) == 0) {
			json_decref(list);
			list = json_null();
		}
		json_object_set_new(vm, "disks_seen_bytes", list);
	}
}

static json_t *merge_problems(struct listing *l)
{
	json_t *problems = json_object_get(l->api, "problems");

	if (problems)
		return json_incref(problems);
	problems = json_array();
	for (size_t i = 0; l->snap && i < vm_snapshot_problem_count(l->snap); i++)
		json_array_append_new(problems, problem_json(vm_snapshot_problem_at(l->snap, i)));
	return problems;
}

static int look(struct listing *l, struct lab *lab, struct err *e)
{
	struct err why = ERR_INIT;

	int r = session_open(&l->session, lab, e);
	if (r < 0)
		return r;
	if (container_list_role(&l->session.containers, "stack") &&
	    api_get(l->session.api, &l->api, &why, "/vms") < 0)
		snprintf(l->down, sizeof(l->down), "%s",
		    why.code == EACCES
			? why.msg
			: "the stack does not answer: `vmlab logs` may tell why, `vmlab up` starts it");
	else if (!l->api)
		snprintf(l->down, sizeof(l->down), "lab \"%s\" is down: `vmlab up` starts it",
		    lab->name);
	mounts_complaint(&l->session, l->stale, sizeof(l->stale));
	if (lab->vms_dir && session_open_store(&l->session, &l->store, &why) == 0)
		l->snap = vm_store_snapshot(l->store);
	else if (!l->api && l->session.containers.count == 0)
		return lab_need_vms(lab, e);
	return 0;
}

static void print_problems(struct listing *l, const json_t *problems)
{
	const json_t *p;
	size_t i;

	if (json_array_size(problems) > 0)
		fputs("\nProblems of definitions:\n", stdout);
	json_array_foreach(problems, i, p) {
		const char *file = json_string_value(json_object_get(p, "file"));
		const char *text = json_string_value(json_object_get(p, "text"));
		struct vm_where where = {
		    .line = (int)json_integer_value(json_object_get(p, "line")),
		    .column = (int)json_integer_value(json_object_get(p, "column")),
		};
		problem_print(stdout, l->session.lab->vms_dir, file ? file : "?", where,
		    json_is_true(json_object_get(p, "warning")), text ? text : "");
		if (json_is_true(json_object_get(p, "serving_last_good")))
			fputs("  its last good definition stays in force\n", stdout);
	}
}

/* ---- the command ------------------------------------------------------------------------- */

struct ls {
	struct table table;
	bool json, quiet;
	int watch_s; /* 0: once */
	int count;
	char **names; /* only these, unless count is 0 */
};

static bool wanted(const struct ls *ls, const json_t *vm)
{
	const char *name = json_string_value(json_object_get(vm, "name")),
		   *before = json_string_value(json_object_get(vm, "started_as"));

	for (int i = 0; i < ls->count; i++)
		if ((name && strcmp(ls->names[i], name) == 0) ||
		    (before && strcmp(ls->names[i], before) == 0))
			return true;
	return ls->count == 0;
}

/* New reference. */
static json_t *only_wanted(const struct ls *ls, json_t *vms)
{
	json_t *out = json_array(), *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
		if (wanted(ls, vm))
			json_array_append(out, vm);
	return out;
}

static void print_names(const json_t *vms)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
		puts(json_string_value(json_object_get(vm, "name")));
}

static void print_all(struct ls *ls, struct listing *l)
{
	_cleanup_json_ json_t *all = merge_all(l), *problems = merge_problems(l);
	_cleanup_json_ json_t *vms = only_wanted(ls, all);

	if (!ls->quiet && (ls->json || table_has(&ls->table, "disks")))
		add_disks(l, vms);

	if (ls->json) {
		_cleanup_json_ json_t *doc = json_pack("{s:s, s:b, s:s?, s:O, s:O}", "lab",
		    l->session.lab->name, "up", l->api != NULL, "vms_dir", l->session.lab->vms_dir,
		    "vms", vms, "problems", problems);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (ls->quiet) {
		print_names(vms);
	} else {
		ls->table.now_ms = wall_ms();
		if (json_array_size(vms) > 0)
			table_print(stdout, &ls->table, vms);
		else
			printf(
			    "no VM is defined in %s: `vmlab new web1` makes one, `vmlab machines` shows who has asked\n",
			    l->session.lab->vms_dir ? l->session.lab->vms_dir : "vms/");
		fflush(stdout); /* before what goes to stderr */
		if (*l->down)
			fprintf(ls->watch_s ? stdout : stderr, "%s\n", l->down);
		if (*l->stale)
			fprintf(ls->watch_s ? stdout : stderr, "vmlab: %s\n", l->stale);
		if (ls->count == 0)
			print_problems(l, problems);
	}
}

static int list_once(struct ls *ls, struct lab *lab, struct err *e)
{
	struct listing l = {.session = SESSION_INIT};

	int r = look(&l, lab, e);
	for (int i = 0; r == 0 && i < ls->count; i++)
		r = session_check_name(&l.session, ls->names[i], e);
	if (r == 0 && ls->watch_s)
		fputs("\033[H\033[2J", stdout);
	if (r == 0)
		print_all(ls, &l);
	listing_clear(&l);
	return r;
}

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"wide", no_argument, NULL, 'w'},
    {"columns", required_argument, NULL, 'c'},
    {"watch", optional_argument, NULL, 'W'},
    {0},
};

/* STATUS_OK, or STATUS_USAGE after saying why. */
static int parse(struct ls *ls, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int o;

	table_usual(&ls->table, false);
	while ((o = getopt_long(argc, argv, "qw", options, NULL)) != -1) {
		ls->json |= o == 'j';
		ls->quiet |= o == 'q';
		if (o == 'w')
			table_usual(&ls->table, true);
		if (o == 'c' && table_choose(&ls->table, optarg, &e) < 0)
			return command_usage(&ls_command, "%s", e.msg);
		if (o == 'W')
			ls->watch_s = optarg ? atoi(optarg) : 2;
		if (o == 'W' && (ls->watch_s < 1 || ls->watch_s > 3600))
			return command_usage(&ls_command, "--watch takes seconds, from 1 to 3600");
		if (o == '?')
			return command_wrong_option(&ls_command, argv);
	}
	if (ls->watch_s && !isatty(STDOUT_FILENO))
		return command_usage(
		    &ls_command, "--watch is for a terminal; `vmlab events -f` is for others");
	ls->names = argv + optind;
	ls->count = argc - optind;
	return STATUS_OK;
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct ls ls = {0};
	struct err e = ERR_INIT;

	int r = parse(&ls, argc, argv);
	if (r != STATUS_OK)
		return r;
	ls.table.width = human_terminal_width(STDOUT_FILENO);
	if (ls.watch_s)
		interrupt_install();
	do {
		r = list_once(&ls, lab, &e);
		fflush(stdout);
		for (int i = 0; r == 0 && i < ls.watch_s * 10 && !interrupt_pending(); i++)
			interrupt_sleep_ms(100);
	} while (r == 0 && ls.watch_s && !interrupt_pending());
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command ls_command = {
    .name = "ls",
    .aliases = {"status", "list"},
    .args = "[--json | -q] [--wide | --columns LIST] [--watch[=SECONDS]] [NAME...]",
    .summary = "every VM: state, progress, address",
    .help =
	"Lists what vms/ defines and what runs, also while the lab is down. STATE is how far the\n"
	"machine is (declared, booting, installing with phase and percent, installed, ready, failed,\n"
	"\"waiting\" for what is missing or by its mode, at its \"menu\", \"stalled\" when its stage does not get on for longer than it may,\n"
	"in the \"agent\" with what it does there (\"recorded\" of --json: how far it was before),\n"
	"stopped: its disk is kept, or starting: it has power, and its firmware has asked for nothing yet; \"ready, with\n"
	"errors\" or warnings: cloud-init met them, and \"cloud_init\" of --json has them all). AGE is since\n"
	"when. On a narrow terminal columns that matter less are left out.\n"
	"Below: what is wrong with definitions. `vmlab status` and `vmlab list` are the same.\n"
	"\n"
	"  -q, --quiet      only names\n"
	"  -w, --wide       all columns; DISKS are the sizes that disks have, beside the definition's where\n"
	"                   it says another\n"
	"  --columns LIST   these columns, in this order; --wide shows which there are\n"
	"  --watch[=S]      show it again every S seconds (2) until Ctrl-C\n"
	"  --json           {\"lab\",\"up\",\"vms_dir\",\"vms\":[...],\"problems\":[...]}: all the API knows of each\n"
	"                   VM, and \"container\": the container's status, or null (\"started_as\": its name where that is\n"
	"                   another's), \"defined\": false where there is no definition of it; \"disks_bytes\" are the\n"
	"                   definition's, \"disks_seen_bytes\" what the disks have, \"installed_disk_bytes\"\n"
	"                   what the installer saw\n"
	"\n"
	"Examples:\n"
	"  vmlab ls\n"
	"  vmlab ls --columns name,ip,memory,disks\n"
	"  vmlab ls --json | jq -r '.vms[] | select(.state == \"ready\") | .ip'\n",
    .run = run,
    .operands = OPERANDS_VMS,
};
