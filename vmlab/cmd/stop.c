/* stop.c - `vmlab down`, `vmlab rm`, `vmlab reinstall`: the ways back. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/boot/boot.h"
#include "lib/definition/menu_choice.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/container.h"
#include "vmlab/follow/follow.h"
#include "vmlab/follow/goal.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/lab_console.h"
#include "vmlab/lab/lab_find.h"
#include "vmlab/lab/lab_dir.h"
#include "vmlab/lab/lab_volume.h"
#include "vmlab/lab/problems.h"
#include "vmlab/lab/stopping.h"
#include "vmlab/lab/vm_container.h"

static void collect(struct session *s, const char *role, bool running_only, struct argv *names)
{
	for (size_t i = 0; i < s->containers.count; i++) {
		const struct container *c = &s->containers.items[i];
		if (strcmp(c->role, role) == 0 && (c->running || !running_only))
			argv_add(names, c->name);
	}
}

/* All of the lab's, with or without a container: those with its label, and of those without any
 * lab's label, made by older versions, "<lab>-disk-*" and "<lab>-state". Names alone do not tell:
 * "a-disk-state" may be the state of lab "a-disk". */
static int collect_volumes(struct session *s, struct argv *names, struct err *e)
{
	_cleanup_free_ char *mine = NULL, *labelled = NULL, *all = NULL;
	_cleanup_free_ char *state = NULL, *disk = NULL;
	const struct engine *en = &s->engine;

	if (asprintf(&state, "%s-state", s->lab->name) < 0 ||
	    asprintf(&disk, "%s-disk-", s->lab->name) < 0)
		return err_set(e, ENOMEM, "out of memory");
	int r = engine_volumes(en, "vmlab.lab", s->lab->name, &mine, e);
	if (r == 0)
		r = engine_volumes(en, "vmlab.lab", NULL, &labelled, e);
	if (r == 0)
		r = engine_volumes(en, NULL, NULL, &all, e);
	char *rest = all, *line;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		bool named = strcmp(line, state) == 0 || strncmp(line, disk, strlen(disk)) == 0;
		if (*line &&
		    (engine_list_has(mine, line) || (named && !engine_list_has(labelled, line))))
			argv_add(names, line);
	}
	return r;
}

/* Between two steps. */
static int go_on(struct err *e)
{
	return interrupt_pending() ? err_set(e, EINTR, "interrupted") : 0;
}

static int finish(struct session *s, const char *what, int r, const struct err *e)
{
	if (r < 0 && interrupt_pending())
		return stopping_interrupted(s, what);
	return r < 0 ? command_fail(e) : STATUS_OK;
}

/* ---- down ------------------------------------------------------------------------------------ */

static int down_all(struct session *s, bool volumes, struct err *e)
{
	_cleanup_argv_ struct argv running = ARGV_INIT, all = ARGV_INIT, list = ARGV_INIT;
	char took[HUMAN_TEXT_SIZE], left[400];
	int64_t begin = monotonic_ms();
	int r;

	session_keep_holders(s, volumes);
	collect(s, "vm", true, &running);
	if (running.count > 0)
		printf("stops %zu VM%s...\n", running.count, running.count == 1 ? "" : "s");
	r = stopping_run(s, "stop", &running, e);
	collect(s, "vm", false, &all);
	size_t vms = all.count;
	collect(s, "stack", false, &all);
	if (r == 0) {
		_cleanup_argv_ struct argv stack = ARGV_INIT;
		collect(s, "stack", true, &stack);
		r = stopping_run(s, "stop", &stack, e);
	}
	collect(s, "net", false, &all);
	if (r == 0)
		r = go_on(e);
	if (r == 0)
		r = engine_remove_containers(&s->engine, &all, e);
	if (r == 0 && volumes)
		r = go_on(e);
	if (r == 0 && volumes)
		r = collect_volumes(s, &list, e);
	if (r == 0)
		r = engine_remove_volumes(&s->engine, &list, e);
	if (r < 0)
		return r;
	if (volumes) {
		keys_forget_hosts(s->lab);
		lab_dir_forget(s->lab);
	}
	if (all.count == 0 && list.count == 0) {
		printf("lab \"%s\" is not up\n", s->lab->name);
		if (lab_left_sentence(s->lab, left, sizeof(left)))
			fprintf(stderr, "vmlab: %s\n", left);
	} else {
		printf("lab \"%s\" is down after %s: %zu VM%s, %s\n", s->lab->name,
		    human_duration(monotonic_ms() - begin, took), vms, vms == 1 ? "" : "s",
		    volumes ? "disks and state removed" : "disks and state kept");
	}
	return 0;
}

/* `c` is its container, whose name the disk has; NULL: it has none. */
static int disk_name(struct session *s, const char *name, const struct container *c,
    char kept[VM_LABEL_SIZE], struct err *e)
{
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;

	snprintf(kept, VM_LABEL_SIZE, "%s", c ? c->vm : name);
	if (c || session_open_store(s, &store, &ignored) < 0)
		return 0;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	int r = vm ? vm_container_kept(s, snap, vm, kept, e) : 0;
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

/* What its console has said goes with it. */
static void forget_console(struct session *s, const char *name, const struct container *c)
{
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;
	struct mac mac;

	if (c && vm_container_mac(c, &mac)) {
		lab_console_forget(s->lab, &mac);
	} else if (session_open_store(s, &store, &ignored) == 0) {
		const struct vm_snapshot *snap = vm_store_snapshot(store);
		const struct vm *vm = vm_snapshot_by_name(snap, name);
		if (vm)
			lab_console_forget(s->lab, &vm->mac);
		vm_snapshot_unref(snap);
		vm_store_close(store);
	}
}

static int remove_disk(
    struct session *s, const char *name, const struct container *c, struct err *e)
{
	_cleanup_argv_ struct argv volumes = ARGV_INIT;
	_cleanup_free_ char *volume = NULL;
	struct err ignored = ERR_INIT;
	char kept[VM_LABEL_SIZE];

	int r = disk_name(s, name, c, kept, e);
	if (r == 0)
		r = lab_volume_name(s->lab, &s->engine, "disk", kept, &volume, e);
	if (r < 0)
		return r;
	argv_add(&volumes, volume);
	r = engine_remove_volumes(&s->engine, &volumes, e);
	if (r < 0)
		return r;
	/* Its next boot must not be sent to a disk that is gone; `up` sees to it if this fails. */
	r = api_post(s->api, NULL, &ignored, "/vms/%s/reinstall", name);
	keys_forget_host(s->lab, name);
	forget_console(s, name, c);
	return 0;
}

static int down_some(struct session *s, int count, char **names, bool volumes, struct err *e)
{
	_cleanup_argv_ struct argv containers = ARGV_INIT;
	int r = 0;

	for (int i = 0; r == 0 && i < count; i++) {
		const struct container *c = vm_container_find(s, names[i]);
		r = session_check_name(s, names[i], e);
		if (r == 0 && c && c->running)
			argv_add(&containers, c->name);
		else if (r == 0)
			printf("%s is not running\n", names[i]);
	}
	if (r == 0)
		r = stopping_run(s, "stop", &containers, e);
	for (int i = 0; r == 0 && i < count; i++) {
		const struct container *c = vm_container_find(s, names[i]);
		_cleanup_argv_ struct argv one = ARGV_INIT;
		if (c)
			printf("%s is down%s", names[i],
			    volumes ? ", its disk removed" : ", its disk kept");
		if (c && !volumes && strcmp(c->vm, names[i]) != 0)
			printf(
			    ", which is called as it was when it was started, %s: `vmlab up %s` starts it from that",
			    c->vm, names[i]);
		if (c)
			putchar('\n');
		if (c && volumes) {
			argv_add(&one, c->name);
			r = engine_remove_containers(&s->engine, &one, e);
		}
		if (r == 0 && volumes)
			r = remove_disk(s, names[i], c, e);
	}
	return r;
}

static const struct option down_options[] = {
    {"volumes", no_argument, NULL, 'v'},
    {"yes", no_argument, NULL, 'y'},
    {0},
};

static int down_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err e = ERR_INIT;
	bool volumes = false, yes = false;
	int o;

	while ((o = getopt_long(argc, argv, "y", down_options, NULL)) != -1) {
		volumes |= o == 'v';
		yes |= o == 'y';
		if (o == '?')
			return command_wrong_option(&down_command, argv);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	int count = argc - optind;
	interrupt_install();
	int r = session_open(&s, lab, &e);
	if (r == 0 && volumes &&
	    !command_confirm(yes, "Remove the disks of %s for good?",
		count > 0 ? "these VMs" : "all VMs of the lab, and its state,"))
		return interrupt_pending() ? STATUS_INTERRUPTED : STATUS_FAILED;
	if (r == 0)
		r = session_lock(&s, false, &e);
	if (r == 0)
		r = go_on(&e);
	if (r == 0)
		r = count > 0 ? down_some(&s, count, argv + optind, volumes, &e)
			      : down_all(&s, volumes, &e);
	return finish(&s, "down", r, &e);
}

const struct command down_command = {
    .name = "down",
    .args = "[NAME...] [--volumes [-y]]",
    .summary = "shut VMs down, or the whole lab",
    .help =
	"Asks the VMs to shut down (ACPI), all at the same time. With names only those VMs, and their\n"
	"containers stay, with their logs; without, the stack and the network go too. Disks and what\n"
	"the lab remembers stay: `vmlab up` boots the same systems again.\n"
	"\n"
	"  --volumes    remove the disks as well, and without names the lab's state\n"
	"  -y, --yes    do not ask\n"
	"\n"
	"Examples:\n"
	"  vmlab down web1\n"
	"  vmlab down\n"
	"  vmlab down --volumes -y      nothing of the lab is left but your files and the SSH key\n",
    .run = down_run,
    .operands = OPERANDS_VMS,
};

/* ---- rm -------------------------------------------------------------------------------------- */

static int rm_one(struct session *s, const char *name, struct err *e)
{
	_cleanup_argv_ struct argv one = ARGV_INIT;
	int r = session_lock(s, false, e);
	const struct container *c = vm_container_find(s, name);
	bool defined = problems_has_file(s->lab, name);

	if (r == 0 && c) {
		argv_add(&one, c->name);
		r = engine_remove_containers(&s->engine, &one, e);
	}
	if (r == 0)
		r = remove_disk(s, name, c, e);
	session_unlock(s);
	if (r == 0)
		printf("%s: container and disk are gone; %s\n", name,
		    defined
			? "its definition stays"
			: "it has no definition in this folder's vms/, so that nothing of it is left");
	return r;
}

static const struct option rm_options[] = {{"yes", no_argument, NULL, 'y'}, {0}};

static int rm_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err e = ERR_INIT;
	bool yes = false;
	int o;

	while ((o = getopt_long(argc, argv, "y", rm_options, NULL)) != -1) {
		yes |= o == 'y';
		if (o == '?')
			return command_wrong_option(&rm_command, argv);
	}
	if (optind == argc)
		return command_usage(&rm_command, "which VM?");
	interrupt_install();
	setvbuf(stdout, NULL, _IOLBF, 0);
	int r = session_open(&s, lab, &e);
	for (int i = optind; r == 0 && i < argc; i++)
		r = session_check_name(&s, argv[i], &e);
	for (int i = optind; r == 0 && i < argc; i++) {
		if (!command_confirm(yes, "Remove %s with its disk for good?", argv[i]))
			return interrupt_pending() ? STATUS_INTERRUPTED : STATUS_FAILED;
		r = go_on(&e);
		if (r == 0)
			r = rm_one(&s, argv[i], &e);
		if (r == -EINTR)
			fprintf(stderr, "%s was not removed, nor what follows it\n", argv[i]);
	}
	return finish(&s, "rm", r, &e);
}

const struct command rm_command = {
    .name = "rm",
    .args = "[-y] NAME...",
    .summary = "remove a VM's container and disk",
    .help =
	"Ends the VM at once and removes its disk. Its definition in vms/ is yours and stays: the next\n"
	"`vmlab up` installs it anew. To be rid of it altogether, delete that file as well.\n"
	"\n"
	"  -y, --yes    do not ask\n"
	"\n"
	"Example:\n"
	"  vmlab rm web1 && rm vms/web1.json\n",
    .run = rm_run,
    .operands = OPERANDS_VMS,
};

/* ---- reinstall ------------------------------------------------------------------------------- */

struct reinstall {
	struct session session;
	bool yes, later, wait;
	int64_t timeout_ms;
};

/* A menu installs what is chosen there; by itself only what it begins with, after a while. */
static int check_menu(struct session *s, const char *name, struct err *e)
{
	char image[MENU_NAME_MAX + 1];
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;

	if (session_open_store(s, &store, &ignored) < 0)
		return 0;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	bool by_hand = vm && boot_mode_of(vm) == &boot_mode_menu &&
		       !(vm->menu_timeout && vm->menu_default &&
			   (strcmp(vm->menu_default, boot_mode_install.name) == 0 ||
			       menu_choice_split(vm->menu_default, image)));
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return by_hand
		   ? err_set(e, EBUSY,
			 "%s is installed by whoever chooses that at its menu, and nothing was changed: `vmlab restart %s --no-wait` brings it there and `vmlab console %s` shows it; or write \"mode\": \"install\"",
			 name, name, name)
		   : 0;
}

/* Orders that wait bring it to the agent first; the installation follows. */
static enum boot_end end_of_install(const json_t *vm)
{
	const char *after = json_string_value(json_object_get(vm, "after_install"));
	bool boots = !after || strcmp(after, vm_after_name(VM_AFTER_REBOOT)) == 0 ||
		     strcmp(after, vm_after_name(VM_AFTER_KEXEC)) == 0;

	return boots ? BOOT_END_READY : BOOT_END_INSTALLED;
}

/* *end: where the server expects it to end. */
static int reinstall_one(struct reinstall *ri, const char *name, enum boot_end *end, struct err *e)
{
	struct session *s = &ri->session;
	_cleanup_argv_ struct argv restart = ARGV_INIT;
	_cleanup_json_ json_t *vm = NULL;
	struct goal_expected expected;

	int r = session_lock(s, false, e);
	if (r == 0)
		r = stopping_settle(s, stdout, e);
	if (r == 0)
		r = session_need_stack(s, e);
	if (r < 0)
		return r;
	r = check_menu(s, name, e);
	if (r < 0)
		return r;
	const struct container *c = vm_container_find(s, name);
	r = api_post(s->api, &vm, e, "/vms/%s/reinstall", name);
	if (r < 0)
		return r;
	*end = goal_told(vm, &expected) ? expected.ends : BOOT_END_READY;
	if (*end == BOOT_END_STARTED)
		*end = end_of_install(vm);
	keys_forget_host(s->lab, name);
	if (ri->later || !c || !c->running) {
		printf("%s will be installed anew when it next boots%s%s\n", name,
		    c && c->running ? "" : ": vmlab up ", c && c->running ? "" : name);
		return 0;
	}
	printf("%s: shuts down and starts again to be installed anew...\n", name);
	argv_add(&restart, c->name);
	r = stopping_run(s, "restart", &restart, e);
	if (r == -EINTR)
		printf(
		    "%s will be installed anew when it next boots: `vmlab up %s` waits until it is off, and starts it\n",
		    name, name);
	return r;
}

static int reinstall_wait(
    struct reinstall *ri, int count, char **names, const enum boot_end *ends, int64_t begin_ms)
{
	_cleanup_free_ struct follow_vm *vms = calloc((size_t)count + 1, sizeof(*vms));

	if (!vms)
		return STATUS_FAILED;
	for (int i = 0; i < count; i++)
		vms[i] = (struct follow_vm){.name = names[i],
		    .goal = ends[i],
		    .begin_ms = begin_ms,
		    .print_from_ms = begin_ms};
	int status = follow_run(&ri->session, vms, (size_t)count, ri->timeout_ms, stdout);
	for (int i = 0; i < count; i++)
		follow_vm_clear(&vms[i]);
	return status;
}

static const struct option reinstall_options[] = {
    {"yes", no_argument, NULL, 'y'},
    {"now", no_argument, NULL, 'n'},
    {"later", no_argument, NULL, 'l'},
    {"wait", no_argument, NULL, 'w'},
    {"timeout", required_argument, NULL, 't'},
    {0},
};

static int reinstall_run(struct lab *lab, int argc, char **argv)
{
	struct reinstall ri = {.session = SESSION_INIT, .timeout_ms = 30 * 60 * 1000};
	struct err e = ERR_INIT;
	int o, status = STATUS_OK;

	while ((o = getopt_long(argc, argv, "y", reinstall_options, NULL)) != -1) {
		ri.yes |= o == 'y';
		ri.wait |= o == 'w';
		ri.later = o == 'l' || (ri.later && o != 'n');
		if (o == 't' && command_duration(optarg, &ri.timeout_ms) < 0)
			return command_usage(
			    &reinstall_command, "\"%s\" is no duration like 90, 10m", optarg);
		if (o == '?')
			return command_wrong_option(&reinstall_command, argv);
	}
	if (optind == argc)
		return command_usage(&reinstall_command, "which VM?");
	setvbuf(stdout, NULL, _IOLBF, 0);
	int count = argc - optind;
	interrupt_install();
	_cleanup_free_ enum boot_end *ends = calloc((size_t)count, sizeof(*ends));
	int r = ends ? session_open(&ri.session, lab, &e) : err_set(&e, ENOMEM, "out of memory");
	for (int i = 0; r == 0 && i < count; i++)
		r = session_check_name(&ri.session, argv[optind + i], &e);
	int64_t begin_ms = wall_ms();
	for (int i = 0; r == 0 && i < count; i++) {
		if (!command_confirm(
			ri.yes, "Install %s anew? All on its disk is lost.", argv[optind + i])) {
			status = interrupt_pending() ? STATUS_INTERRUPTED : STATUS_FAILED;
			break;
		}
		r = go_on(&e);
		if (r < 0)
			break;
		r = reinstall_one(&ri, argv[optind + i], &ends[i], &e);
		session_unlock(&ri.session);
	}
	if (r < 0)
		status = finish(&ri.session, "reinstall", r, &e);
	else if (status == STATUS_OK && ri.wait && !ri.later)
		status = reinstall_wait(&ri, count, argv + optind, ends, begin_ms);
	session_clear(&ri.session);
	return status;
}

const struct command reinstall_command = {
    .name = "reinstall",
    .args = "[-y] [--later] [--wait [--timeout TIME]] NAME...",
    .summary = "install a VM anew, over what is on its disk",
    .help =
	"Tells the lab to install the machine at its next network boot, then shuts it down (ACPI) and\n"
	"starts it again so that this is now. Also the way on after a failed install.\n"
	"\n"
	"  -y, --yes      do not ask\n"
	"  --now          restart it now (that is the default)\n"
	"  --later        do not restart it: it is installed whenever it next boots\n"
	"  --wait         follow it until it is ready, or installed where it ends there\n"
	"  --timeout TIME how long to follow (default 30m)\n"
	"\n"
	"Example:\n"
	"  vmlab reinstall -y --wait web1\n",
    .run = reinstall_run,
    .operands = OPERANDS_VMS,
};
