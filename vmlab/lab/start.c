#include "vmlab/lab/start.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "vmlab/engine/engine_ops.h"
#include "vmlab/lab/host.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"
#include "vmlab/lab/lab_console.h"
#include "vmlab/lab/lab_find.h"
#include "vmlab/lab/lab_settings.h"
#include "vmlab/lab/lab_volume.h"
#include "vmlab/lab/mounts.h"
#include "vmlab/lab/net_clash.h"
#include "vmlab/lab/stopping.h"
#include "vmlab/lab/vm_container.h"
#include "vmlab/lab/vm_disks.h"

#define RUN_TIMEOUT_MS 120000
#define HEALTH_POLL_MS 300
#define LOG_LINES 20

static bool same_network(const struct container *c, const char *net_id)
{
	static const char prefix[] = "container:";

	if (!net_id)
		return true;
	return strncmp(c->network, prefix, sizeof(prefix) - 1) == 0 &&
	       strcmp(c->network + sizeof(prefix) - 1, net_id) == 0;
}

enum start_action start_decide(const struct container *c, const struct start_wish *wish)
{
	if (!c)
		return START_CREATE;

	bool spec = strcmp(c->spec, wish->spec) == 0;
	bool image = strcmp(c->image, wish->image_id) == 0;
	bool network = same_network(c, wish->net_id);
	if (!c->running)
		return spec && image && network ? START_START : START_RECREATE;
	if (!network)
		return START_RECREATE;
	if (wish->replace_running)
		return spec && image ? START_KEEP : START_RECREATE;
	return spec ? START_KEEP : START_KEEP_CHANGED;
}

static int find_image(struct start *st, const char *reference, const char *usual,
    const char *variable, const char *tar, char **id, struct err *e)
{
	int r = engine_image_id(&st->s->engine, reference, id, e);

	if (r != ENGINE_ABSENT)
		return r;
	if (strcmp(reference, usual) != 0)
		return err_set(e, ENOENT,
		    "the container image %s, as %s says, is not loaded: load it, or unset %s to use %s",
		    reference, variable, variable, usual);
	return err_set(e, ENOENT,
	    "the container image %s is not loaded: `%s load -i %s_%s.tar`, or build it with `make load`",
	    reference, st->s->engine.ops->program, tar, vm_arch_name(host_arch()));
}

int start_images(struct start *st, struct err *e)
{
	int r = find_image(st, st->s->lab->stack_image, LAB_STACK_IMAGE, "VMLAB_STACK_IMAGE",
	    "pxeboot_stack", &st->stack_image_id, e);

	return r < 0 ? r
		     : find_image(st, st->s->lab->vm_image, LAB_VM_IMAGE, "VMLAB_VM_IMAGE",
			   "vmlab_vm", &st->vm_image_id, e);
}

void start_clear(struct start *st)
{
	free(st->stack_image_id);
	free(st->vm_image_id);
	st->stack_image_id = st->vm_image_id = NULL;
}

static int remove_container(struct start *st, const char *name, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_add(&a, name);
	return engine_remove_containers(&st->s->engine, &a, e);
}

static int stop_container(struct start *st, const char *name, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;

	argv_add(&a, name);
	return stopping_run(st->s, "stop", &a, e);
}

static int port_taken(const struct start *st, int r, struct err *e)
{
	if (r == 0 ||
	    (!strstr(e->msg, "already allocated") && !strstr(e->msg, "address already in use")))
		return r;
	return err_set(e, EADDRINUSE,
	    "port %d on 127.0.0.1 is taken by another program: choose another with --port or VMLAB_PORT, or --port auto for a free one",
	    st->s->lab->port);
}

/* `run` leaves what it has made when it cannot start it: the next `up` would only try that again,
 * with the same settings. Nothing that has ever run is removed. */
static void remove_unstarted(struct start *st, const char *name)
{
	_cleanup_container_list_ struct container_list list = CONTAINER_LIST_INIT;
	struct err ignored = ERR_INIT;

	if (!name ||
	    engine_containers(&st->s->engine, "vmlab.lab", st->s->lab->name, &list, &ignored) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		if (strcmp(list.items[i].name, name) == 0 &&
		    strcmp(list.items[i].status, "created") == 0 &&
		    remove_container(st, name, &ignored) < 0)
			return;
}

/* Does what was decided: `run` holds the arguments of a new container called `name`. */
static int carry_out(struct start *st, enum start_action action, const struct container *c,
    const char *name, const struct argv *run, struct err *e)
{
	int r = 0;

	switch (action) {
	case START_KEEP:
	case START_KEEP_CHANGED:
		return 0;
	case START_START:
		return port_taken(st, engine_start(&st->s->engine, c->name, e), e);
	case START_RECREATE:
		if (c->running)
			r = stop_container(st, c->name, e);
		if (r == 0)
			r = remove_container(st, c->name, e);
		if (r < 0)
			return r;
		break;
	case START_CREATE:
		break;
	}
	r = engine_run(&st->s->engine, run, RUN_TIMEOUT_MS, NULL, e);
	if (r < 0)
		remove_unstarted(st, name);
	return port_taken(st, r, e);
}

/* The network namespace is new: whoever still runs in the old one has lost the lab. */
static int stop_stranded(struct start *st, struct err *e)
{
	for (size_t i = 0; i < st->s->containers.count; i++) {
		const struct container *c = &st->s->containers.items[i];
		if (!c->running || strcmp(c->role, "net") == 0)
			continue;
		fprintf(st->out, "lab: restarts %s in the new network\n", c->name);
		int r = stop_container(st, c->name, e);
		if (r < 0)
			return r;
	}
	return 0;
}

enum net_clash start_clash(const struct lab *lab, const struct engine *en, char *what, size_t size)
{
	_cleanup_free_ char *networks = NULL;
	struct err ignored = ERR_INIT;

	if (engine_bridge_networks(en, &networks, &ignored) == 0 &&
	    net_clash_engine(&lab->cidr, networks, what, size) != NET_CLASH_NONE)
		return NET_CLASH_ENGINE;
	return net_clash_look(&lab->cidr, what, size);
}

/* A network that hides what its machines need is refused; one that hides less is told. */
static int check_clash(struct start *st, struct err *e)
{
	const struct lab *lab = st->s->lab;
	char what[64] = "", sentence[600];

	enum net_clash clash = start_clash(lab, &st->s->engine, what, sizeof(what));
	if (clash == NET_CLASH_NONE)
		return 0;
	net_clash_sentence(clash, what, lab->cidr_text, sentence, sizeof(sentence));
	if (clash != NET_CLASH_LAN)
		return err_set(e, EADDRINUSE, "%s", sentence);
	fprintf(stderr, "vmlab: %s\n", sentence);
	return 0;
}

int start_network(struct start *st, struct err *e)
{
	struct lab *lab = st->s->lab;
	const struct container *net = container_list_role(&st->s->containers, "net");
	_cleanup_argv_ struct argv run = ARGV_INIT;
	_cleanup_free_ char *spec = container_net_spec(lab);
	_cleanup_free_ char *name = NULL;
	char settings[600];

	if (!spec)
		return err_set(e, ENOMEM, "out of memory");
	/* Its image does nothing but sleep: an old one is as good. */
	struct start_wish wish = {.spec = spec, .image_id = net ? net->image : ""};
	enum start_action action = start_decide(net, &wish);
	if (action == START_KEEP)
		return 0;
	if (action == START_KEEP_CHANGED)
		return err_set(e, EBUSY,
		    "lab \"%s\" runs with other settings (%s): `vmlab down` first", lab->name,
		    net->spec);
	int r = check_clash(st, e);
	if (r == 0)
		r = lab_container_name(lab, &st->s->engine, "net", NULL, &name, e);
	if (r < 0)
		return r;
	container_net_args(lab, name, host_has_ipv6(), &run);
	r = carry_out(st, action, net, name, &run, e);
	if (r < 0)
		return r;
	r = session_refresh(st->s, e);
	if (r < 0)
		return r;
	fprintf(st->out, "lab: network up\n");
	lab_settings_describe(lab, settings, sizeof(settings));
	if (*settings || strcmp(lab->cidr_text, LAB_DEFAULT_CIDR) != 0)
		fprintf(st->out, "lab: %s%s%s\n", lab->cidr_text, *settings ? ", " : "", settings);
	if (lab->port != LAB_PORT_NONE)
		fprintf(st->out,
		    "lab: API at http://127.0.0.1:%d for who has the token in %s/token\n",
		    lab->port, lab->dir);
	return stop_stranded(st, e) < 0 ? -e->code : session_refresh(st->s, e);
}

static const char *net_name(const struct start *st)
{
	const struct container *net = container_list_role(&st->s->containers, "net");

	return net ? net->name : "";
}

static const char *net_id(const struct start *st)
{
	const struct container *net = container_list_role(&st->s->containers, "net");

	return net ? net->id : "";
}

struct names {
	char *name, *volume;
};

static void clear_names(struct names *n)
{
	free(n->name);
	free(n->volume);
}

/* For a container that is to be made; its volume first, so that it carries the lab's labels. */
static int make_names(struct start *st, const char *role, const char *disk, const char *name,
    const struct vm *vm, enum start_action action, struct names *n, struct err *e)
{
	const struct lab *lab = st->s->lab;

	if (action != START_CREATE && action != START_RECREATE)
		return 0;
	int r = lab_container_name(lab, &st->s->engine, role, name, &n->name, e);
	if (r == 0)
		r = lab_volume_name(lab, &st->s->engine, disk, name, &n->volume, e);
	return r < 0 ? r : lab_make_volume(lab, &st->s->engine, n->volume, name, vm, e);
}

/* Started again, the stack sees the folders that are there now; machines run on. */
static int mend_mounts(struct start *st, const struct container *stack, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	char buf[PATH_MAX + 32];
	const char *path = mounts_replaced(st->s, buf, sizeof(buf));

	if (!path)
		return 0;
	fprintf(st->out,
	    "lab: %s was replaced: starts the stack again, so that it serves what is there now\n",
	    path);
	argv_adds(&a, "restart", stack->name);
	return engine_run(&st->s->engine, &a, RUN_TIMEOUT_MS, NULL, e);
}

int start_stack(struct start *st, struct err *e)
{
	const struct container *stack = container_list_role(&st->s->containers, "stack");
	_cleanup_argv_ struct argv run = ARGV_INIT;
	_cleanup_free_ char *spec = container_stack_spec(st->s->lab);
	_cleanup_(clear_names) struct names n = {NULL, NULL};

	if (!spec)
		return err_set(e, ENOMEM, "out of memory");
	struct start_wish wish = {.spec = spec,
	    .image_id = st->stack_image_id,
	    .net_id = net_id(st),
	    .replace_running = true};
	enum start_action action = start_decide(stack, &wish);
	if (action == START_KEEP) {
		int mended = mend_mounts(st, stack, e);
		if (mended < 0)
			return mended;
	}
	if (action == START_RECREATE && stack->running)
		fprintf(st->out, "lab: replaces the stack (newer image or other settings)\n");
	int r = lab_console_ensure(st->s->lab, NULL, e);
	if (r == 0)
		r = make_names(st, "stack", "state", NULL, NULL, action, &n, e);
	if (n.volume)
		container_stack_args(st->s->lab,
		    &(struct container_names){n.name, net_name(st), n.volume, NULL}, &run);
	if (r == 0)
		r = carry_out(st, action, stack, n.name, &run, e);
	if (r == 0)
		r = lab_settings_keep(st->s->lab, e);
	return r < 0 ? r : session_refresh(st->s, e);
}

/* Runs the health check of the image now instead of waiting for the engine's next turn. 0, or
 * -EAGAIN with its complaint. */
static int run_health_check(struct start *st, const struct container *stack, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	const json_t *config = json_object_get(stack->info, "Config"), *word;
	const json_t *test = json_object_get(json_object_get(config, "Healthcheck"), "Test");
	const char *kind = json_string_value(json_array_get(test, 0));
	size_t i;

	if (!kind || (strcmp(kind, "CMD") != 0 && strcmp(kind, "CMD-SHELL") != 0))
		return 0;
	argv_adds(&a, "exec", stack->name);
	if (strcmp(kind, "CMD-SHELL") == 0)
		argv_adds(&a, "/bin/sh", "-c");
	json_array_foreach(test, i, word)
		if (i > 0 && json_is_string(word))
			argv_add(&a, json_string_value(word));
	int n = engine_capture(&st->s->engine, &a, 30000, &r, e);
	if (n < 0)
		return n;
	if (r.status == 0)
		return 0;
	char *text = *r.out ? r.out : r.err;
	text[strcspn(text, "\n")] = '\0';
	return err_set(e, EAGAIN, "%s", text);
}

static int stack_died(struct start *st, const struct container *stack, struct err *e)
{
	_cleanup_free_ char *log = NULL;
	struct err ignored = ERR_INIT;

	if (stack &&
	    engine_log_tail(&st->s->engine, stack->name, NULL, LOG_LINES, &log, &ignored) == 0) {
		fputs("the stack's last lines:\n", stderr);
		human_print_lines(stderr, log, "    ", LOG_LINES);
	}
	return err_set(e, EIO, "the stack's container has ended%s%s",
	    stack ? " with its own reason above; all of its log: `vmlab logs`" : "",
	    stack ? "" : ": it was removed");
}

int start_wait_healthy(struct start *st, int64_t timeout_ms, struct err *e)
{
	int64_t begin = monotonic_ms();
	char said[sizeof(e->msg)] = "", took[HUMAN_TEXT_SIZE];
	bool waited = false;

	for (;;) {
		int r = session_refresh(st->s, e);
		if (r < 0)
			return r;
		const struct container *stack = container_list_role(&st->s->containers, "stack");
		if (!stack || !stack->running)
			return stack_died(st, stack, e);
		r = api_ready(st->s->api, e);
		if (r == 0 && (!stack->health || strcmp(stack->health, "healthy") != 0))
			r = run_health_check(st, stack, e);
		int64_t spent = monotonic_ms() - begin;
		if (r == 0) {
			if (waited)
				fprintf(st->out, "lab: stack healthy after %s\n",
				    human_duration(spent, took));
			return 0;
		}
		waited = true;
		if (interrupt_pending())
			return err_set(e, EINTR, "interrupted while the stack starts");
		if (spent > timeout_ms)
			return err_wrap(e,
			    "the stack is not healthy after %s (`vmlab logs` shows its log)",
			    human_duration(spent, took));
		if (r == -ECONNREFUSED)
			err_set(e, ECONNREFUSED, "its API does not answer yet");
		if (spent > 5000 && strcmp(said, e->msg) != 0) {
			snprintf(said, sizeof(said), "%s", e->msg);
			fprintf(st->out, "lab: waits for the stack: %s\n", said);
		}
		interrupt_sleep_ms(HEALTH_POLL_MS);
	}
}

static void describe(
    struct start *st, const struct vm *vm, const char *kept, bool kvm, const char *why_not)
{
	char text[SIZE_TEXT_SIZE];
	struct vm_disks disks;
	FILE *f = st->out;

	vm_disks_look(&st->s->engine, st->s->lab, kept, &disks);
	fprintf(f, "%s: %s, %u CPU%s, %s memory", vm->name, vm_arch_name(vm->arch), vm->cpus,
	    vm->cpus == 1 ? "" : "s", size_text_short(vm->memory_bytes, text));
	for (unsigned i = 0; i < vm->disk_count; i++)
		fprintf(f, ", %s disk", size_text_short(vm_disks_after_start(&disks, vm, i), text));
	if (kvm)
		fputs(", KVM\n", f);
	else
		fprintf(f, ", emulated (%s)\n", why_not ? why_not : "as asked for");
	vm_disks_tell(f, &disks, vm);
}

static void say_changed(FILE *f, const struct vm *vm, const struct container *c, const char *spec)
{
	_cleanup_free_ char *diff = container_spec_diff(c->spec, spec);

	fprintf(f,
	    "%s: runs with its old %s; `vmlab down %s && vmlab up %s` gives it what its definition says now\n",
	    vm->name, diff ? diff : "settings", vm->name, vm->name);
}

const struct container *start_mac_holder(
    const struct container_list *containers, const struct vm *vm)
{
	char mac[MAC_TEXT_SIZE], *pair;
	const struct container *holder = NULL;

	if (asprintf(&pair, "mac=%s;", mac_format(&vm->mac, mac)) < 0)
		return NULL;
	for (size_t i = 0; i < containers->count && !holder; i++) {
		const struct container *c = &containers->items[i];
		if (c->running && c->vm && strcmp(c->role, "vm") == 0 &&
		    strcmp(c->vm, vm->name) != 0 && strncmp(c->spec, pair, strlen(pair)) == 0)
			holder = c;
	}
	free(pair);
	return holder;
}

int start_vm_check(const struct start *st, const struct vm *vm, struct err *e)
{
	const struct container *c = container_list_vm(&st->s->containers, vm->name);
	const struct container *holder = start_mac_holder(&st->s->containers, vm);
	char mac[MAC_TEXT_SIZE];

	if (!holder || (c && c->running) ||
	    vm_container_adopter(&st->s->containers, st->snap, holder) == vm)
		return 0;
	return err_set(e, EADDRINUSE,
	    "%s: %s runs with its MAC %s already, and two machines cannot share one. Was the file renamed? Then give it its old name, or let go of the old machine: `vmlab down %s && vmlab up %s` installs %s on a disk of its own (`vmlab rm %s` removes the old one with its disk)",
	    vm->name, holder->vm, mac_format(&vm->mac, mac), holder->vm, vm->name, vm->name,
	    holder->vm);
}

int start_vm(struct start *st, const struct vm *vm, const char *kept, enum start_action *action,
    struct err *e)
{
	const struct container *c = container_list_vm(&st->s->containers, kept);
	struct container_vm_options options = st->vm_options;
	_cleanup_argv_ struct argv run = ARGV_INIT;
	_cleanup_free_ char *spec = container_vm_spec(st->s->lab, vm);
	_cleanup_(clear_names) struct names n = {NULL, NULL};
	const char *why_not = NULL;

	if (!spec)
		return err_set(e, ENOMEM, "out of memory");
	struct start_wish wish = {.spec = spec, .image_id = st->vm_image_id, .net_id = net_id(st)};
	*action = start_decide(c, &wish);
	if (strcmp(options.accel, "tcg") != 0)
		options.kvm =
		    host_kvm_usable(vm->arch, &why_not) || strcmp(options.accel, "kvm") == 0;
	if (*action == START_KEEP_CHANGED)
		say_changed(st->out, vm, c, spec);
	else if (*action == START_START)
		fprintf(st->out, "%s: started again\n", vm->name);
	else if (*action != START_KEEP)
		describe(st, vm, kept, options.kvm, why_not);
	int r = lab_console_ensure(st->s->lab, &vm->mac, e);
	if (r == 0)
		r = make_names(st, "vm", "disk", kept, vm, *action, &n, e);
	if (n.volume)
		container_vm_args(st->s->lab,
		    &(struct container_names){n.name, net_name(st), n.volume, kept}, vm, &options,
		    &run);
	if (r == 0)
		r = carry_out(st, *action, c, n.name, &run, e);
	return r < 0 ? err_wrap(e, "%s", vm->name) : 0;
}
