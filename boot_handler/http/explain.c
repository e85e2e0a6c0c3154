#include "boot_handler/http/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot_handler/http/console.h"
#include "boot_handler/http/consoles.h"
#include "boot_handler/http/explain_events.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine_now.h"
#include "boot_handler/http/machine_order.h"
#include "boot_handler/state/address.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/explain/console.h"
#include "lib/follow/cloud_init.h"
#include "lib/image/image_advice.h"

#define EVENTS 500
#define ORDERS 16
#define LOG_BYTES 500

static void see(struct explain_facts *f, enum explain_sign sign, const char *what, const char *hint)
{
	struct explain_seen *seen = explain_see(f, sign, 0, NULL, NULL, what);

	snprintf(seen->hint, sizeof(seen->hint), "%s", hint ? hint : "");
}

/* What was recorded so far is then in the file, too. */
static void see_stack(struct explain_facts *f, const struct services *services)
{
	struct err e = ERR_INIT;

	explain_see(f, EXPLAIN_STACK, 0, NULL, NULL, NULL);
	if (state_save(services->state, &e) < 0)
		see(f, EXPLAIN_NOT_READY, e.msg, NULL);
	else if (atomic_load(&services->store_unreadable))
		see(f, EXPLAIN_NOT_READY, "the folder of definitions cannot be read", NULL);
	else if (images_readable(services->images, &e) < 0)
		see(f, EXPLAIN_NOT_READY, e.msg, NULL);
}

/* ---- its definition ------------------------------------------------------------------------ */

static enum explain_sign problem_sign(const struct vm_problem *p)
{
	if (p->serving_last_good)
		return EXPLAIN_FILE_BROKEN;
	return p->claimed ? EXPLAIN_CLAIMED : EXPLAIN_FILE_REFUSED;
}

static bool see_problems(
    struct explain_facts *f, const struct vm_snapshot *snapshot, const char *file)
{
	char text[EXPLAIN_TEXT_SIZE];
	bool any = false;

	for (size_t i = 0; i < vm_snapshot_problem_count(snapshot); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);
		if (p->warning || strcmp(p->file, file) != 0)
			continue;
		snprintf(text, sizeof(text), "%s:%d:%d: %s", p->file, p->where.line,
		    p->where.column, p->text);
		explain_see(f, problem_sign(p), 0, p->file, NULL, text);
		any = true;
	}
	return any;
}

static void see_definition(
    struct explain_facts *f, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	const char *file = vm_snapshot_file(snapshot, vm);

	explain_see(f, EXPLAIN_DEFINITION, 0, file, NULL, NULL);
	see_problems(f, snapshot, file);
	if (boot_mode_of(vm) == &boot_mode_off)
		explain_see(f, EXPLAIN_MODE_OFF, 0, NULL, NULL, NULL);
}

/* ---- its image and state ------------------------------------------------------------------- */

static enum explain_sign image_sign(const char *images_dir, const struct vm *vm)
{
	if (image_has_manifest(images_dir, boot_image_name(vm), vm->arch))
		return EXPLAIN_IMAGE_CUT;
	return image_other_arch(images_dir, boot_image_name(vm), vm->arch)
		   ? EXPLAIN_IMAGE_OTHER_ARCH
		   : EXPLAIN_IMAGE_ABSENT;
}

/* What outlook.h says that it waits for. */
static void see_waiting(struct explain_facts *f, const char *images_dir, const struct vm *vm,
    const struct outlook *look)
{
	if (strcmp(look->stage, "no image") == 0)
		see(f, image_sign(images_dir, vm), look->reason, look->hint);
	else if (strcmp(look->stage, "wrong arch") == 0)
		see(f, EXPLAIN_WRONG_ARCH, look->reason, look->hint);
	else
		see(f, EXPLAIN_OWN_FILE, look->reason, look->hint);
}

static void see_stalled(struct explain_facts *f, const struct outlook *look)
{
	enum explain_sign sign = look->again ? EXPLAIN_LOOP : EXPLAIN_STALLED;
	struct explain_seen *seen =
	    explain_see(f, sign, look->since_ms, look->stage, NULL, look->reason);

	snprintf(seen->hint, sizeof(seen->hint), "%s", look->hint);
}

static void see_image(struct explain_facts *f, const char *images_dir, const struct vm *vm,
    const struct outlook *look, const struct image_facts *image)
{
	bool needs = boot_mode_of(vm)->needs & (BOOT_NEEDS_IMAGE | BOOT_NEEDS_BOOT);

	if (needs && image->complete)
		explain_see(f, EXPLAIN_IMAGE, 0, boot_image_name(vm), NULL, NULL);
	if (look->stage && strcmp(look->state, "waiting") == 0)
		see_waiting(f, images_dir, vm, look);
	else if (look->stage && look->without_image)
		see(f, image_sign(images_dir, vm), image->missing.what, image->missing.advice);
	else if (look->stage)
		see_stalled(f, look);
}

static void see_error(struct explain_facts *f, const struct machine_row *row)
{
	struct explain_seen *seen = explain_see(f, EXPLAIN_FAILED, row->changed_at_ms,
	    machine_phase_name(row->error_phase), NULL, row->error_reason);

	snprintf(seen->hint, sizeof(seen->hint), "%s",
	    row->error_hint[0] ? row->error_hint : "remove the cause");
}

static void see_cloud_init(struct explain_facts *f, const struct machine_row *row)
{
	json_t *json = json_pack("{s:o?}", "cloud_init", json_loads(row->cloud_init, 0, NULL));
	const char *error = json ? cloud_init_error(json) : NULL;

	if (row->stage[0])
		explain_see(f, EXPLAIN_CLOUD_INIT, 0, row->stage, NULL, NULL);
	if (json && cloud_init_judge(json) == CLOUD_INIT_ERRORS)
		explain_see(f, EXPLAIN_CLOUD_INIT_ERRORS, row->changed_at_ms, NULL, NULL,
		    error ? error : "it ended with errors");
	json_decref(json);
}

/* Whether what it does next would come from the network. */
static bool wants_network(const struct vm *vm, const struct machine_row *row)
{
	const struct boot_mode *mode = boot_mode_of(vm);

	return mode != &boot_mode_off && mode != &boot_mode_local &&
	       (row->reinstall || row->state == MACHINE_DECLARED || row->state == MACHINE_BOOTING ||
		   row->state == MACHINE_FAILED);
}

static void see_row(struct explain_facts *f, const struct vm *vm, const struct machine_row *row)
{
	explain_see(
	    f, EXPLAIN_STATE, row->changed_at_ms, machine_state_name(row->state), NULL, NULL);
	if (row->last_seen_ms > 0)
		explain_see(f, EXPLAIN_HEARD, row->last_seen_ms, NULL, NULL, NULL);
	if (row->state == MACHINE_FAILED)
		see_error(f, row);
	if (row->state == MACHINE_READY)
		explain_see(f, EXPLAIN_READY, row->changed_at_ms, NULL, NULL, NULL);
	if (row->netboot_off && wants_network(vm, row))
		explain_see(f, EXPLAIN_NETBOOT_OFF, 0, NULL, "operator", NULL);
	see_cloud_init(f, row);
}

static void see_addresses(struct explain_facts *f, struct state *state, const struct vm *vm)
{
	struct machine_addresses a;
	char text[ADDRESS_TEXT_SIZE];

	if (!state_addresses(state, &vm->mac, &a))
		return;
	for (int six = 0; six < 2; six++)
		if (address_problem(vm, &a, six, text))
			explain_see(f, EXPLAIN_DIFFERS, 0, NULL, NULL, text);
}

/* The last lines, as one; of one that is longer than that its end. */
static void see_log(struct explain_facts *f, struct state *state, const struct vm *vm)
{
	_cleanup_free_ char *log = NULL;
	char text[EXPLAIN_TEXT_SIZE];
	struct err unread = ERR_INIT;

	if (state_log(state, &vm->mac, &log, &unread) < 0 || !log)
		return;
	char *marked = strstr(log, "already installed: ");
	if (marked) {
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(marked, "\n"), marked);
		explain_see(f, EXPLAIN_MARKED, 0, NULL, NULL, text);
	}
	size_t len = strlen(log);
	while (len > 0 && log[len - 1] == '\n')
		log[--len] = '\0';
	const char *last = log + (len > LOG_BYTES ? len - LOG_BYTES : 0);
	const char *begun = last > log && last[-1] != '\n' ? strchr(last, '\n') : NULL;
	if (begun)
		last = begun + 1;
	if (*last)
		explain_see(f, EXPLAIN_LOG, 0, NULL, NULL, last);
}

static void see_declared(const struct call *c, struct explain_facts *f, const struct vm *vm)
{
	_cleanup_machine_now_ struct machine_now now = {.has_order = false};
	struct services *services = c->services;
	struct image_facts image;

	machine_now_find(services, c->snapshot, vm, &now);
	images_facts(services->images, boot_image_name(vm), vm->arch, boot_image_use(vm), &image);
	see_definition(f, c->snapshot, vm);
	see_image(f, services->images_dir, vm, &now.look, &image);
	see_row(f, vm, &now.row);
	see_addresses(f, services->state, vm);
	see_log(f, services->state, vm);
}

/* ---- its screen --------------------------------------------------------------------------- */

/* Nothing was printed since it was switched on last. */
static bool is_of_before(const struct console_of *of, const struct explain_facts *f)
{
	_cleanup_close_ int fd = console_open_log(of);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 ||
	       (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 <
		   f->seen[EXPLAIN_POWER].at_ms;
}

/* Of a VM of this lab that runs. */
static void see_console(
    const struct call *c, const struct machine_named *named, struct explain_facts *f)
{
	struct console_of of = console_of_machine(c, named);
	size_t len;

	if (!of.root || !console_runs(&of) || is_of_before(&of, f))
		return;
	_cleanup_free_ char *text = console_last(&of, &len);
	if (text)
		explain_console(f, text);
}

/* ---- of every machine ---------------------------------------------------------------------- */

static void add_word(char *text, size_t size, const char *name, const char *value)
{
	size_t len = strlen(text);

	if (value[0])
		snprintf(text + len, size - len, "%s%s %s", len ? ", " : "it shows ", name, value);
}

static int see_stranger(const struct call *c, struct explain_facts *f, struct err *e)
{
	char text[EXPLAIN_TEXT_SIZE] = "";
	struct stranger stranger;

	int r = strangers_find(state_strangers(c->services->state), f->name, &stranger, e);
	if (r < 0)
		return r;
	const struct shown *shown = &stranger.shown;
	add_word(text, sizeof(text), "manufacturer", shown->manufacturer);
	add_word(text, sizeof(text), "product", shown->product);
	add_word(text, sizeof(text), "serial number", shown->serial);
	add_word(text, sizeof(text), "UUID", shown->uuid);
	add_word(text, sizeof(text), "architecture", shown->arch);
	explain_see(f, EXPLAIN_STRANGER, stranger.last_seen_ms, NULL, NULL,
	    *text ? text : "it shows no more than its MAC address")
	    ->count = stranger.asked > 0 ? stranger.asked : 1;
	return 0;
}

/* One that is not over has no agent, or has failed. */
static void see_order(struct explain_facts *f, const struct order *o, const char *why)
{
	enum explain_sign sign = o->state == ORDER_WAITING   ? EXPLAIN_ORDER_WAITS
				 : o->state == ORDER_RUNNING ? EXPLAIN_ORDER_SILENT
							     : EXPLAIN_ORDER_FAILED;
	int64_t at_ms = o->state == ORDER_WAITING   ? o->created_ms
			: o->state == ORDER_RUNNING ? o->begun_ms
						    : o->ended_ms;

	explain_see(f, sign, at_ms, order_action_name(o->action), NULL, why)->count = o->id;
}

/* The newest that is not over, or did not end well with none after it that did. */
static void see_orders(
    const struct call *c, const struct machine_named *named, struct explain_facts *f)
{
	struct orders *orders = state_orders(c->services->state);
	struct order list[ORDERS] = {0};
	char text[MACHINE_ORDER_WAITS_SIZE];
	bool told = false;

	unsigned count = orders_of(orders, &named->cards, list, ORDERS);
	for (unsigned i = 0; i < count; i++) {
		enum order_state state = list[i].state;
		if (!told && machine_order_waits(c, named, &list[i], text, sizeof(text)))
			see_order(f, &list[i], text);
		else if (!told && state == ORDER_FAILED)
			see_order(
			    f, &list[i], list[i].text[0] ? list[i].text : "it said nothing of why");
		told |= state != ORDER_WAITING && state != ORDER_STOPPED;
		order_clear(&list[i]);
	}
	if (orders_heard(orders, &named->cards, f->now_ms))
		explain_see(f, EXPLAIN_AGENT, 0, NULL, NULL, NULL);
}

static void on_event(void *ctx, const struct event *event)
{
	explain_event(ctx, event);
}

static int see_events(
    const struct call *c, const struct machine_named *named, struct explain_facts *f, struct err *e)
{
	struct event_query query = {.newest = true, .limit = EVENTS, .macs = named->cards.count};

	memcpy(query.mac, named->cards.mac, named->cards.count * sizeof(*query.mac));
	return state_events(c->services->state, &query, on_event, f, e);
}

/* ---- the answer ---------------------------------------------------------------------------- */

static struct explain_facts *facts_new(
    const struct services *services, const char *name, struct err *e)
{
	struct explain_facts *f = calloc(1, sizeof(*f));

	if (!f) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->now_ms = wall_ms();
	see_stack(f, services);
	return f;
}

json_t *machine_explained(const struct call *c, const struct machine_named *named, struct err *e)
{
	_cleanup_free_ struct explain_facts *f = facts_new(c->services, named->name, e);

	if (!f || see_events(c, named, f, e) < 0)
		return NULL;
	if (named->vm)
		see_declared(c, f, named->vm);
	else if (see_stranger(c, f, e) < 0)
		return NULL;
	see_console(c, named, f);
	see_orders(c, named, f);
	return explain_json(f);
}

/* Of a name that no definition in force has: NULL where no file does either. */
static json_t *refused_explained(const struct call *c, const char *name, struct err *e)
{
	_cleanup_free_ struct explain_facts *f = facts_new(c->services, name, e);
	char file[MACHINE_NAME_SIZE + sizeof(".json")];

	snprintf(file, sizeof(file), "%.63s.json", name);
	return f && see_problems(f, c->snapshot, file) ? explain_json(f) : NULL;
}

int explain(const struct call *c, struct server_answer *a, struct err *e)
{
	struct machine_named named;
	json_t *json;

	int r = machine_find(c, &named, e);
	if (r == -ENOENT) {
		json = refused_explained(c, named.name, e);
		return json ? answer_json(a, json, e) : r;
	}
	if (r < 0)
		return r;
	json = machine_explained(c, &named, e);
	return json ? answer_json(a, json, e) : -(e->code ? e->code : ENOMEM);
}
