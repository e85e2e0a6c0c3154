/* up.c - `vmlab up`: from definitions to machines one can log in to. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/boot/boot.h"
#include "lib/machine/vm_setting.h"
#include "lib/base/clock.h"
#include "lib/image/own_kernel.h"
#include "lib/follow/cloud_init.h"
#include "vmlab/lab/command.h"
#include "vmlab/follow/follow.h"
#include "vmlab/follow/goal.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/lab_dir.h"
#include "vmlab/lab/lab_find.h"
#include "vmlab/lab/lab_volume.h"
#include "vmlab/follow/power_state.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/problems.h"
#include "vmlab/lab/readable.h"
#include "vmlab/lab/start.h"
#include "vmlab/lab/stopping.h"
#include "vmlab/lab/vm_container.h"

#define STACK_TIMEOUT_MS 90000

struct up {
	struct session session;
	struct start start;
	struct vm_store *store;
	const struct vm_snapshot *snap;
	const struct vm **vms; /* the chosen ones, borrowed from snap */
	size_t count;
	struct follow_vm *follow;
	size_t follow_count;
	FILE *out;
	int64_t timeout_ms;
	bool no_wait, json;
	bool incomplete; /* something chosen could not be brought up */
};

static void up_clear(struct up *up)
{
	for (size_t i = 0; i < up->follow_count; i++)
		follow_vm_clear(&up->follow[i]);
	free(up->follow);
	free(up->vms);
	if (up->snap)
		vm_snapshot_unref(up->snap);
	if (up->store)
		vm_store_close(up->store);
	start_clear(&up->start);
	session_clear(&up->session);
}

/* Fills up->vms from names, or with all. Definitions that are refused are shown. */
static int choose(struct up *up, int count, char **names, struct err *e)
{
	size_t all = vm_snapshot_count(up->snap);

	up->vms = calloc((size_t)count + all + 1, sizeof(*up->vms));
	if (!up->vms)
		return err_set(e, ENOMEM, "out of memory");
	for (int i = 0; i < count; i++) {
		const struct vm *vm =
		    vm_container_named(&up->session.containers, up->snap, names[i]);
		if (!vm) {
			if (problems_hide(stderr, up->session.lab, up->snap, names[i], e))
				return -e->code;
			return session_check_name(&up->session, names[i], e) < 0
				   ? -e->code
				   : err_set(e, ENOENT,
					 "%s has a container but no definition in %s, which says what to start: put its file back, or write one with its MAC (`vmlab machines` lists it, `vmlab adopt` does)",
					 names[i], up->session.lab->vms_dir);
		}
		bool twice = false;
		for (size_t k = 0; k < up->count; k++)
			twice |= up->vms[k] == vm;
		if (!twice)
			up->vms[up->count++] = vm;
	}
	if (count > 0)
		return 0;
	for (size_t i = 0; i < all; i++)
		up->vms[up->count++] = vm_snapshot_at(up->snap, i);
	if (problems_print(stderr, up->session.lab, up->snap) > 0)
		up->incomplete = true;
	if (up->count == 0 && !up->incomplete)
		fprintf(up->out,
		    "%s defines no VM yet: `vmlab new web1` makes one, also while the lab runs\n",
		    up->session.lab->vms_dir);
	return 0;
}

/* True when the machine cannot have been installed yet: it has no disk. */
static bool has_no_disk_yet(struct up *up, const struct vm *vm)
{
	_cleanup_free_ char *volume = NULL;
	struct err ignored = ERR_INIT;
	char kept[VM_LABEL_SIZE];

	return vm_container_kept(&up->session, up->snap, vm, kept, &ignored) == 0 &&
	       lab_volume_name(
		   up->session.lab, &up->session.engine, "disk", kept, &volume, &ignored) == 0 &&
	       engine_volume_find(&up->session.engine, volume, &ignored) == ENGINE_ABSENT;
}

/* Says what is known to be wrong before anything starts. True when it cannot be installed. */
static bool look_ahead(struct up *up, const struct vm *vm, bool say)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct preflight found = {0};
	struct err e = ERR_INIT;

	if (subject_load(up->session.lab, vm, &subject, &e) == 0)
		preflight_check(&subject, &found);
	else if (say)
		fprintf(stderr, "%s: warning: %s\n", vm->name, e.msg);
	for (size_t i = 0; say && i < found.count; i++)
		fprintf(stderr, "%s: %s\"%s\": %s\n", vm->name,
		    found.finding[i].fatal ? "" : "warning: ", found.finding[i].field,
		    found.finding[i].text);
	return preflight_fatal(&found);
}

/* Machines that could only fail are not started. */
static int drop_hopeless(struct up *up, struct err *e)
{
	size_t kept = 0, all = up->count;

	for (size_t i = 0; i < all; i++) {
		const struct vm *vm = up->vms[i];
		if (!look_ahead(up, vm, true) || !has_no_disk_yet(up, vm)) {
			up->vms[kept++] = vm;
			continue;
		}
		fprintf(stderr, "%s is not started: it could not be installed so\n", vm->name);
		up->incomplete = true;
	}
	up->count = kept;
	return kept == 0 && all > 0
		   ? err_set(e, EINVAL, "nothing is started: correct the definitions, see above")
		   : 0;
}

static int prepare(struct up *up, int count, char **names, struct err *e)
{
	struct lab *lab = up->session.lab;
	char left[400];
	bool created;

	int r = lab_check_same(lab, &up->session.containers, e);
	if (r == 0)
		r = lab_check_network(lab, &up->session.containers, e);
	if (r == 0)
		r = session_open_store(&up->session, &up->store, e);
	if (r < 0)
		return r;
	up->snap = up->start.snap = vm_store_snapshot(up->store);
	r = choose(up, count, names, e);
	if (r == 0)
		r = drop_hopeless(up, e);
	if (r == 0)
		r = start_images(&up->start, e);
	if (r < 0)
		return r;
	/* The engine would create a missing folder too, but as root and without a word. */
	if (!lab->images_given && readable_mkdir(lab->images_dir, e) < 0)
		return -e->code;
	r = 0;
	if (lab_older_one_left(lab, &up->session.engine, &up->session.containers))
		fprintf(up->out,
		    "lab: this one is new and called \"%s\"; an older version called every lab \"vmlab\": if the disks you want are that one's, `vmlab down`, then `vmlab --lab vmlab up`\n",
		    lab->name);
	if (up->session.containers.count == 0 && lab_left_sentence(lab, left, sizeof(left)))
		fprintf(up->out, "lab: this one is called \"%s\"; %s\n", lab->name, left);
	if (lab->port == LAB_PORT_AUTO)
		r = lab_dir_choose_port(lab, e);
	if (r == 0)
		r = keys_ensure(lab, &created, e);
	if (r == 0)
		keys_warn(lab, stderr);
	if (r == 0 && created)
		fprintf(up->out, "lab: made the SSH key %s/id_ed25519\n", lab->home);
	return r;
}

/* What the API knows of a VM; NULL when nothing. */
static json_t *ask_state(struct up *up, const char *name)
{
	struct err ignored = ERR_INIT;
	json_t *state = NULL;

	return api_get(up->session.api, &state, &ignored, "/vms/%s", name) < 0 ? NULL : state;
}

/* A machine whose disk is gone must not be sent to boot from it. */
static int forget_lost_disk(
    struct up *up, const struct vm *vm, const char *kept, json_t **state, struct err *e)
{
	const char *word = json_string_value(json_object_get(*state, "recorded"));
	_cleanup_free_ char *volume = NULL;

	if (!word || machine_state_is(word, MACHINE_DECLARED) || !boot_may_install(vm))
		return 0;
	int r = lab_volume_name(up->session.lab, &up->session.engine, "disk", kept, &volume, e);
	if (r == 0)
		r = engine_volume_find(&up->session.engine, volume, e);
	if (r != ENGINE_ABSENT)
		return r;
	fprintf(up->out, "%s: its disk is new, so it is installed again\n", vm->name);
	json_decref(steal_ptr(*state));
	return api_post(up->session.api, state, e, "/vms/%s/reinstall", vm->name);
}

static int bring_up(struct up *up, const struct vm *vm, struct err *e)
{
	_cleanup_json_ json_t *state = ask_state(up, vm->name);
	enum start_action action;
	struct follow_vm follow = {.name = vm->name, .has_container = true};

	int r = start_vm_check(&up->start, vm, e);
	if (r == 0)
		r = vm_container_kept(&up->session, up->snap, vm, follow.container, e);
	if (r == 0)
		r = forget_lost_disk(up, vm, follow.container, &state, e);
	if (r < 0)
		return r;
	struct goal_facts facts = {
	    .state = json_string_value(json_object_get(state, "state")),
	    .has_image = lab_has_image(up->session.lab, vm),
	};
	if (!goal_told(state, &facts.expected))
		facts.expected =
		    goal_defined(vm, facts.has_image, vm_snapshot_noreboot(up->snap, vm));
	if (!goal_is_disk(&facts.expected) && look_ahead(up, vm, false))
		return err_set(e, EINVAL, "%s could not be installed so, see above", vm->name);
	int64_t before = wall_ms();
	r = start_vm(&up->start, vm, follow.container, &action, e);
	if (r < 0)
		return r;
	bool running = action == START_KEEP || action == START_KEEP_CHANGED;
	const struct container *c = container_list_vm(&up->session.containers, follow.container);
	facts.was_running = running && !power_state_was_ready(c, state);
	follow.begin_ms = running ? goal_container_start_ms(c, before) : before;
	follow.print_from_ms = before;
	switch (goal_decide(&facts, &follow.goal)) {
	case GOAL_FOLLOW:
		up->follow[up->follow_count++] = follow;
		break;
	case GOAL_NO_IMAGE:
		fprintf(stderr, "%s waits for its %s, and goes on by itself\n", vm->name,
		    own_kernel_wanted(vm) ? "kernel and initrd" : "image");
		up->incomplete |= !up->no_wait;
		break;
	case GOAL_UNKNOWN:
		fprintf(up->out, "%s: started; `vmlab console %s` shows it\n", vm->name, vm->name);
		break;
	}
	return 0;
}

/* The ways begin when the engine says that the machines were started: so they do in `vmlab events`.
 */
static void begin_with_power(struct up *up)
{
	for (size_t i = 0; i < up->follow_count; i++) {
		struct follow_vm *vm = &up->follow[i];
		bool starts = vm->begin_ms == vm->print_from_ms;
		vm->begin_ms = goal_container_start_ms(
		    container_list_vm(&up->session.containers, vm->container), vm->begin_ms);
		if (starts)
			vm->print_from_ms = vm->begin_ms;
	}
}

static int bring_up_all(struct up *up, struct err *e)
{
	int r = start_network(&up->start, e);

	if (r == 0 && interrupt_pending())
		r = err_set(e, EINTR, "interrupted");
	if (r == 0)
		r = start_stack(&up->start, e);
	if (r == 0)
		r = start_wait_healthy(&up->start, STACK_TIMEOUT_MS, e);
	if (r < 0)
		return r;
	up->follow = calloc(up->count + 1, sizeof(*up->follow));
	if (!up->follow)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < up->count; i++) {
		if (interrupt_pending())
			return err_set(e, EINTR, "interrupted");
		r = bring_up(up, up->vms[i], e);
		if (r < 0) {
			/* The others are not held up by one. */
			command_fail(e);
			up->incomplete = true;
		}
	}
	r = session_refresh(&up->session, e);
	if (r < 0)
		return r;
	begin_with_power(up);
	session_keep_holders(&up->session, false);
	return 0;
}

static void print_login(struct up *up, const struct follow_vm *vm)
{
	if (vm->goal == BOOT_END_READY || vm->goal == BOOT_END_ANSWERS)
		fprintf(up->out, "%s is up%s. Log in with: vmlab ssh %s\n", vm->name,
		    cloud_init_words(cloud_init_judge(vm->state)), vm->name);
	else if (vm->goal == BOOT_END_STARTED && vm->started == boot_mode_agent.started)
		fprintf(up->out,
		    "%s is in the agent: vmlab orders %s shows what it does, vmlab console %s its screen\n",
		    vm->name, vm->name, vm->name);
	else if (vm->goal == BOOT_END_STARTED)
		fprintf(
		    up->out, "%s waits %s: vmlab console %s\n", vm->name, vm->started, vm->name);
	else
		fprintf(
		    up->out, "%s is installed. Its screen: vmlab console %s\n", vm->name, vm->name);
}

static void print_summary(struct up *up)
{
	_cleanup_free_ const char **names = calloc(up->follow_count + 1, sizeof(*names));
	_cleanup_free_ const struct stages **list = calloc(up->follow_count + 1, sizeof(*list));
	size_t moved = 0;

	if (!names || !list)
		return;
	for (size_t i = 0; i < up->follow_count; i++) {
		const struct follow_vm *vm = &up->follow[i];
		if (vm->outcome != FOLLOW_ARRIVED || vm->begin_ms != vm->print_from_ms)
			continue;
		names[moved] = vm->name;
		list[moved++] = &vm->stages;
	}
	if (moved > 0) {
		fputc('\n', up->out);
		stages_print_table(up->out, moved, names, list);
		fputc('\n', up->out);
	}
	for (size_t i = 0; i < up->follow_count; i++)
		if (up->follow[i].outcome == FOLLOW_ARRIVED)
			print_login(up, &up->follow[i]);
}

static void print_json(struct up *up)
{
	json_t *list = json_array();

	for (size_t i = 0; i < up->follow_count; i++) {
		const struct follow_vm *vm = &up->follow[i];
		json_t *o = stages_json(&vm->stages);
		json_object_set_new(o, "name", json_string(vm->name));
		json_object_set_new(o, "arrived", json_boolean(vm->outcome == FOLLOW_ARRIVED));
		json_object_set(o, "state", json_object_get(vm->state, "state"));
		json_object_set(o, "error", json_object_get(vm->state, "error"));
		json_object_set(o, "cloud_init", json_object_get(vm->state, "cloud_init"));
		json_array_append_new(list, o);
	}
	_cleanup_json_ json_t *doc =
	    json_pack("{s:s, s:o}", "lab", up->session.lab->name, "vms", list);
	json_dumpf(doc, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int interrupted(void)
{
	fputs(
	    "\nThe lab goes on without being watched: `vmlab ls` shows it, `vmlab wait` watches again, `vmlab up` starts what is missing, `vmlab down` stops it.\n",
	    stderr);
	return STATUS_INTERRUPTED;
}

static int follow(struct up *up)
{
	int status = STATUS_OK;

	if (up->no_wait) {
		if (up->count > 0)
			fputs("Follow with `vmlab wait`, look with `vmlab ls`.\n", up->out);
	} else if (up->follow_count > 0) {
		status =
		    follow_run(&up->session, up->follow, up->follow_count, up->timeout_ms, up->out);
		print_summary(up);
	}
	if (status == STATUS_INTERRUPTED)
		interrupted();
	if (up->json)
		print_json(up);
	return status == STATUS_OK && up->incomplete ? STATUS_FAILED : status;
}

static const struct option options[] = {
    {"no-wait", no_argument, NULL, 'n'},
    {"timeout", required_argument, NULL, 't'},
    {"accel", required_argument, NULL, 'a'},
    {"nic-rom", required_argument, NULL, 'r'},
    {"disk-bus", required_argument, NULL, 'b'},
    {"json", no_argument, NULL, 'j'},
    {0},
};

/* A setting of the VMs that no definition has. STATUS_OK, or STATUS_USAGE after saying why. */
static int take_setting(const char *option, const char *setting, const char **out)
{
	const struct vm_setting *s = vm_setting_find(setting);
	char give[VM_SETTING_GIVE_SIZE];

	if (!vm_setting_takes(s, optarg))
		return command_usage(&up_command, "--%s is %s", option, vm_setting_give(s, give));
	*out = optarg;
	return STATUS_OK;
}

/* STATUS_OK, or STATUS_USAGE after saying why. */
static int parse(struct up *up, int argc, char **argv)
{
	struct container_vm_options *vm = &up->start.vm_options;
	int o, status = STATUS_OK;

	while (status == STATUS_OK && (o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'n')
			up->no_wait = true;
		else if (o == 'j')
			up->json = true;
		else if (o == 't' && command_duration(optarg, &up->timeout_ms) < 0)
			return command_usage(
			    &up_command, "\"%s\" is no duration like 90, 10m", optarg);
		else if (o == 'a')
			status = take_setting("accel", "VM_ACCEL", &vm->accel);
		else if (o == 'r')
			status = take_setting("nic-rom", "VM_NIC_ROM", &vm->nic_rom);
		else if (o == 'b')
			status = take_setting("disk-bus", "VM_DISK_BUS", &vm->disk_bus);
		else if (o != 't')
			return command_wrong_option(&up_command, argv);
	}
	return status;
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct up up = {.session = SESSION_INIT, .timeout_ms = 30 * 60 * 1000};
	struct err e = ERR_INIT;

	up.start.vm_options = (struct container_vm_options){
	    .accel = "auto", .nic_rom = "firmware", .disk_bus = "virtio"};
	int status = parse(&up, argc, argv);
	if (status != STATUS_OK)
		return status;
	up.out = up.json ? stderr : stdout;
	setvbuf(stdout, NULL, _IOLBF, 0);
	up.start.s = &up.session;
	up.start.out = up.out;
	interrupt_install();
	int r = session_open(&up.session, lab, &e);
	/* Before the lab gets a folder of its own. */
	if (r == 0)
		r = lab_need_vms(lab, &e);
	if (r == 0)
		r = lab_need_images(lab, &e);
	if (r == 0)
		r = session_lock(&up.session, true, &e);
	if (r == 0)
		r = stopping_settle(&up.session, up.out, &e);
	if (r == 0)
		r = prepare(&up, argc - optind, argv + optind, &e);
	if (r == 0 && interrupt_pending())
		r = err_set(&e, EINTR, "interrupted");
	if (r == 0)
		r = bring_up_all(&up, &e);
	session_unlock(&up.session);
	if (r < 0)
		status = interrupt_pending() ? stopping_interrupted(&up.session, "up")
					     : command_fail(&e);
	else
		status = follow(&up);
	up_clear(&up);
	return status;
}

const struct command up_command = {
    .name = "up",
    .args = "[NAME...] [--no-wait] [--timeout TIME] [--json]",
    .summary = "start the lab and its VMs, and follow them until they are ready",
    .help =
	"Starts what is not running yet: the lab's network, the stack (DHCP, TFTP, HTTP), then the\n"
	"named VMs, or all that vms/ defines. VMs that run are left alone. Then each stage is shown\n"
	"as it happens, and at the end how long each took. Ctrl-C stops the watching, not the lab.\n"
	"\n"
	"  --no-wait       start, do not follow\n"
	"  --timeout TIME  give up following after e.g. 600, 10m, 1h (default 30m)\n"
	"  --json          the result and the stages' times as JSON on stdout, the rest on stderr\n"
	"  --accel A       auto (default: KVM where it works), tcg (always emulate), kvm (insist)\n"
	"  --nic-rom R     what boots from the network: firmware (default), ipxe (QEMU's own ROM) or http (UEFI\n"
	"                  HTTP Boot)\n"
	"  --disk-bus B    virtio (default), scsi, sata or nvme, for VMs that are created now\n"
	"\n"
	"Examples:\n"
	"  vmlab up                  everything in vms/\n"
	"  vmlab up web1 db1         two of them\n"
	"  vmlab up --no-wait && vmlab wait --for installed\n"
	"\n"
	"Exit status: 0 all are up (--no-wait: started), 1 something is not, or cloud-init met errors (what and why is shown),\n130 after Ctrl-C.\n",
    .run = run,
    .operands = OPERANDS_VMS,
};
