#include "boot_handler/http/operator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/http/backups.h"
#include "boot_handler/http/call.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/listing.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/machine_order.h"
#include "boot_handler/http/machines.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* ---- one VM ------------------------------------------------------------------------------ */

static struct machine_addresses addresses_of(const struct machine_row *row)
{
	return (struct machine_addresses){.leased_ip = row->leased_ip,
	    .leased_ip6 = row->leased_ip6,
	    .seen_ip = row->seen_ip,
	    .seen_ip6 = row->seen_ip6};
}

/* Where the machine is, and what its definition says. */
static void put_addresses(json_t *json, const struct vm *vm, const struct machine_row *row)
{
	struct machine_addresses a = addresses_of(row);
	struct in_addr ip = address_ip(vm, &a);
	struct in6_addr ip6 = address_ip6(vm, &a), declared6 = vm->has_ip6 ? vm->ip6 : in6addr_any;

	json_object_set_new(json, "ip", ip_json(AF_INET, &ip));
	json_object_set_new(json, "declared_ip", ip_json(AF_INET, &vm->ip));
	json_object_set_new(json, "ipv6", ip_json(AF_INET6, &ip6));
	json_object_set_new(json, "declared_ipv6", ip_json(AF_INET6, &declared6));
}

static json_t *error_json(const struct machine_row *row)
{
	if (row->state != MACHINE_FAILED)
		return json_null();
	return json_pack("{s:o, s:s, s:o}", "phase",
	    text_or_null(machine_phase_name(row->error_phase)), "reason", row->error_reason, "hint",
	    text_or_null(row->error_hint));
}

static json_t *host_keys_json(const struct machine_row *row)
{
	json_t *keys = json_array();

	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		if (row->host_key[i][0])
			json_array_append_new(keys, json_string(row->host_key[i]));
	return keys;
}

static json_t *login_json(const struct vm *vm)
{
	char *login = NULL;
	json_t *json;

	if (cloudinit_login(vm, &login, NULL) < 0)
		return json_null();
	json = text_or_null(login);
	free(login);
	return json;
}

static json_t *disks_json(const struct vm *vm)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < vm->disk_count; i++)
		json_array_append_new(list, json_integer((json_int_t)vm->disk_bytes[i]));
	return list;
}

/* {"status", "errors", ...} of firstboot.h, and "stage" while it is on its way; null before. */
static json_t *cloud_init_json(const struct machine_row *row)
{
	json_t *json = row->cloud_init[0] ? json_loads(row->cloud_init, 0, NULL) : NULL;

	if (row->stage[0]) {
		json = json ? json : json_pack("{s:s}", "status", "running");
		json_object_set_new(json, "status", json_string("running"));
		json_object_set_new(json, "stage", json_string(row->stage));
	}
	return json ? json : json_null();
}

/* The definition's word, else the guest's own. */
static json_t *user_json(const struct vm *vm, const json_t *cloud_init)
{
	json_t *user = login_json(vm);
	const json_t *told = json_object_get(cloud_init, "user");

	if (!json_is_null(user) || !json_is_string(told))
		return user;
	json_decref(user);
	return json_copy((json_t *)told);
}

static json_t *recorded_json(struct services *services, const struct vm *vm)
{
	struct machine_row row;
	char mac[MAC_TEXT_SIZE], nic[MAC_TEXT_SIZE];
	struct mac own;

	state_row(services->state, &vm->mac, &row);
	bool known = address_mac(vm, &row, &own);
	json_t *cloud_init = cloud_init_json(&row);
	json_t *json =
	    json_pack("{s:s, s:s?, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:o, s:i,"
		      " s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I, s:o}",
		"name", vm->name, "mac", known ? mac_format(&own, mac) : NULL, "nic",
		mac_number(&row.nic) ? json_string(mac_format(&row.nic, nic)) : json_null(), "arch",
		vm_arch_name(vm->arch), "distro", vm->distro ? vm->distro : "", "hostname",
		vm->hostname, "mode", boot_mode_name(vm->mode), "state",
		machine_state_name(row.state), "phase", text_or_null(machine_phase_name(row.phase)),
		"bytes", (json_int_t)row.bytes, "total_bytes", (json_int_t)row.total_bytes,
		"rate_bytes_per_s", (json_int_t)row.rate_bytes_per_s, "eta_s",
		row.eta_s >= 0 ? json_integer(row.eta_s) : json_null(), "attempt", (int)row.attempt,
		"local", row.local, "changed_at", time_json(row.changed_at_ms), "last_seen",
		time_json(row.last_seen_ms), "error", error_json(&row), "user",
		user_json(vm, cloud_init), "cloud_init", cloud_init, "ssh_host_keys",
		host_keys_json(&row), "cpus", (int)vm->cpus, "memory_bytes",
		(json_int_t)vm->memory_bytes, "disks_bytes", disks_json(vm));
	if (json) {
		put_addresses(json, vm, &row);
		json_object_set_new(json, "installed_disk_bytes",
		    row.disk_bytes ? json_integer((json_int_t)row.disk_bytes) : json_null());
	}
	return json;
}

/* What keeps it from getting on; null: nothing. */
static json_t *outlook_json(const struct outlook *look)
{
	if (!look->stage)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "stage", look->stage, "reason", look->reason,
	    "hint", look->hint, "since", time_json(look->since_ms), "limit_s",
	    look->limit_s ? json_integer(look->limit_s) : json_null());
}

/* What is recorded, and what it means now. */
static json_t *vm_json(
    struct services *services, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	json_t *json = recorded_json(services, vm);
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	struct image_facts image;
	struct machine_row row;
	struct outlook look;

	state_row(services->state, &vm->mac, &row);
	images_facts(services->images, boot_image_name(vm), vm->arch, boot_image_use(vm), &image);
	const struct own_kernel_gap *own =
	    own_kernel_missing(services->images_dir, vm, gaps) > 0 ? gaps : NULL;
	outlook_make(&(struct outlook_facts){vm, &row, &image, &services->limits, wall_ms(), own,
			 vm_snapshot_noreboot(snapshot, vm)},
	    &look);
	json_object_set_new(json, "state", json_string(look.state));
	json_object_set_new(json, "told", told_json(&row));
	json_object_set_new(json, "image",
	    boot_mode_of(vm)->needs & BOOT_NEEDS_BOOT ? text_or_null(vm->image) : json_null());
	json_object_set_new(json, "outlook", outlook_json(&look));
	json_object_set_new(json, "expected",
	    json_pack("{s:s, s:s?}", "does", look.does, "ends", boot_end_name(look.ends)));
	json_object_set_new(json, "netboot", json_boolean(!row.netboot_off));
	json_object_set_new(json, "order", machine_order_current(services, vm, &row));
	json_object_set_new(json, "after_install", json_string(vm_after_name(vm->after_install)));
	if (look.boots && json_is_null(json_object_get(json, "cloud_init")))
		json_object_set_new(json, "cloud_init", json_pack("{s:s}", "status", "booting"));
	return json;
}

static int vm(const struct call *c, struct server_answer *a, struct err *e)
{
	json_t *json = vm_json(c->services, c->snapshot, c->vm);
	_cleanup_free_ char *log = NULL;
	struct err unread = ERR_INIT;

	if (state_log(c->services->state, &c->vm->mac, &log, &unread) < 0 || !log)
		log = strdup("");
	json_object_set_new(json, "log", json_string(log ? log : ""));
	return answer_json(a, json, e);
}

/* ---- all VMs, as a stream ---------------------------------------------------------------- */

/* What a definition declares and the machine does not have. */
static void add_address_problems(
    json_t *list, struct state *state, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	struct machine_addresses a;
	char text[ADDRESS_TEXT_SIZE];

	if (!(vm->ip.s_addr || vm->has_ip6) || !state_addresses(state, &vm->mac, &a))
		return;
	for (int six = 0; six < 2; six++)
		if (address_problem(vm, &a, six, text))
			json_array_append_new(
			    list, json_pack("{s:s, s:i, s:i, s:s, s:b, s:b}", "file",
				      vm_snapshot_file(snapshot, vm), "line", 0, "column", 0,
				      "text", text, "serving_last_good", 0, "warning", 1));
}

static json_t *problems_json(struct state *state, const struct vm_snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < vm_snapshot_problem_count(snapshot); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);

		json_array_append_new(
		    list, json_pack("{s:s, s:i, s:i, s:s, s:b, s:b}", "file", p->file, "line",
			      p->where.line, "column", p->where.column, "text", p->text,
			      "serving_last_good", p->serving_last_good, "warning", p->warning));
	}
	for (size_t i = 0; i < vm_snapshot_count(snapshot); i++)
		add_address_problems(list, state, snapshot, vm_snapshot_at(snapshot, i));
	return list;
}

static json_t *next_vm(struct listing *l)
{
	if (l->next == vm_snapshot_count(l->snapshot))
		return NULL;
	return vm_json(l->services, l->snapshot, vm_snapshot_at(l->snapshot, l->next++));
}

static json_t *vms_tail(const struct listing *l)
{
	return problems_json(l->services->state, l->snapshot);
}

static const struct listing_kind vms_kind = {"vms", next_vm, "problems", vms_tail};

static int vms(const struct call *c, struct server_answer *a, struct err *e)
{
	return listing_answer(c, &vms_kind, a, e);
}

/* ---- orders ------------------------------------------------------------------------------ */

static int ordered(const struct call *c, struct server_answer *a, struct err *e)
{
	int r = state_save(c->services->state, e);

	return r < 0 ? r : answer_json(a, vm_json(c->services, c->snapshot, c->vm), e);
}

static int local(const struct call *c, struct server_answer *a, struct err *e)
{
	state_local(c->services->state, &c->vm->mac, c->vm->name);
	return ordered(c, a, e);
}

static int reinstall(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct boot_mode *mode = boot_mode_of(c->vm);
	char said[BOOT_MODE_SAID_SIZE];

	if (!(mode->needs & BOOT_NEEDS_DISK) && mode != &boot_mode_menu)
		return err_set(e, EBUSY,
		    "%s is not installed by this lab: its definition says %s; change that first",
		    c->vm->name, boot_mode_said(c->vm, said));
	if (state_life(c->services->state, &c->vm->mac).netboot_off)
		return err_set(e, EBUSY,
		    "network boot of %s is off, and it could not be installed: vmlab netboot %s on first",
		    c->vm->name, c->vm->name);
	state_reinstall(c->services->state, &c->vm->mac, c->vm->name);
	return ordered(c, a, e);
}

static int netboot_off(const struct call *c, struct server_answer *a, struct err *e)
{
	state_netboot(c->services->state, &c->vm->mac, c->vm->name, false);
	return ordered(c, a, e);
}

static int netboot_on(const struct call *c, struct server_answer *a, struct err *e)
{
	state_netboot(c->services->state, &c->vm->mac, c->vm->name, true);
	return ordered(c, a, e);
}

/* ---- events and health ------------------------------------------------------------------- */

struct event_list {
	json_t *events;
	uint64_t last;
};

static void add_event(void *ctx, const struct event *event)
{
	struct event_list *list = ctx;
	char mac[MAC_TEXT_SIZE];

	json_array_append_new(list->events,
	    json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:o*}", "id",
		(json_int_t)event->id, "at", time_json(event->at_ms), "vm", event->vm, "mac",
		mac_format(&event->mac, mac), "kind", event_info(event->kind)->name, "text",
		event->text, "source", text_or_null(event->source), "phase",
		text_or_null(machine_phase_name(event->phase)), "bytes", (json_int_t)event->bytes,
		"total_bytes", (json_int_t)event->total_bytes, "data",
		event->data[0] ? json_loads(event->data, 0, NULL) : NULL));
	list->last = event->id;
}

/* "last" is where to go on: the last event handed out, not the last there is. */
static int events(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct route *route = c->request->route;
	struct event_list list = {json_array(), route->after};

	struct db_event_query query = {
	    .newest = !route->has_after,
	    .after = route->after,
	    .limit = route->limit,
	    .vm = route->name,
	};

	int r = state_events(c->services->state, &query, add_event, &list, e);
	if (r < 0) {
		json_decref(list.events);
		return r;
	}
	return answer_json(
	    a, json_pack("{s:o, s:I}", "events", list.events, "last", (json_int_t)list.last), e);
}

/* What the operator should know though all is well. */
static json_t *notices_json(const char *path)
{
	_cleanup_free_ char *text = NULL;
	json_t *list = json_array();
	size_t len;

	if (!path || file_read(path, 16 * 1024, &text, &len, NULL) < 0)
		return list;
	char *rest = text;
	for (const char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			json_array_append_new(list, json_string(line));
	return list;
}

static int readiness(const struct call *c, struct server_answer *a, struct err *e)
{
	struct services *services = c->services;
	json_t *reasons = json_array();

	if (atomic_load(&services->store_unreadable))
		json_array_append_new(
		    reasons, json_string("the folder of definitions cannot be read"));
	if (state_probe(services->state, e) < 0)
		json_array_append_new(reasons, json_string(e->msg));
	if (images_readable(services->images, e) < 0)
		json_array_append_new(reasons, json_string(e->msg));
	bool ready = json_array_size(reasons) == 0;
	a->status = ready ? 200 : 503;
	return answer_json(a,
	    json_pack("{s:b, s:o, s:o}", "ready", ready, "reasons", reasons, "warnings",
		notices_json(services->notices)),
	    e);
}

static int holders(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_free_ char *text = vm_holders_text(c->snapshot);

	return answer_json(a, json_pack("{s:s}", "holders", text ? text : ""), e);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct endpoint rows[] = {
    {"GET", "/api/v1/vms", NULL, vms,
	.summary = "all machines, and what is wrong with definitions"},
    {"GET", "/api/v1/vms/<name>", NULL, vm,
	.summary = "one machine, with its last installer's log"},
    {"POST", "/api/v1/vms/<name>/reinstall", NULL, reinstall,
	.summary = "install it at its next boot"},
    {"POST", "/api/v1/vms/<name>/local", NULL, local, .summary = "boot it from its disk"},
    {"POST", "/api/v1/vms/<name>/netboot/off", NULL, netboot_off,
	.summary = "an address by DHCP and no loader, from now on"},
    {"POST", "/api/v1/vms/<name>/netboot/on", NULL, netboot_on,
	.summary = "boot it from the network again, as its definition says"},
    {"GET", "/api/v1/machines", NULL, machines_list,
	.summary = "declared ones and strangers: who asked, and what was shown"},
    {"POST", "/api/v1/machines/<id>/ignore", NULL, machines_ignore,
	.summary = "a stranger, by MAC, UUID or serial: list it no more"},
    {"POST", "/api/v1/machines/<id>/unignore", NULL, machines_unignore, .summary = "list it again"},
    {"GET", "/api/v1/machines/<id>/inventory", NULL, machine_inventory,
	.summary = "what its agent said that it is made of: the last ones that differ"},
    {"POST|GET", "/api/v1/machines/<id>/orders", NULL, machine_orders,
	.body_max = MACHINE_ORDER_MAX_BYTES,
	.summary = "{\"action\", \"args\"} or a list: what its agent is to do; GET: its orders"},
    {"DELETE|GET", "/api/v1/machines/<id>/orders/<n>", NULL, machine_order,
	.summary = "one order; DELETE: take it back, and what follows it in its list"},
    {"GET", "/api/v1/machines/<id>/orders/<n>/output", NULL, machine_order_output,
	.summary = "what it wrote: the first and the last of it"},
    {"POST", "/api/v1/machines/<id>/orders/<n>/resume", NULL, machine_order_resume,
	.summary = "begin it again after it did not end well, and what follows it"},
    {"GET", "/api/v1/backups", NULL, backups_list,
	.summary = "the images that machines' disks became by order"},
    {"DELETE", "/api/v1/backups/<image>", NULL, backups_remove, .summary = "remove one"},
    {"GET", "/api/v1/events", route_query_events, events,
	.summary = "?after=, limit=, vm=: what happened"},
    {"GET", "/api/v1/holders", NULL, holders, .summary = "who holds which name and address"},
    {"GET", "/readyz", NULL, readiness, .summary = "whether all works, else 503 and why not"},
    {"GET", "/healthz", NULL, call_health, .summary = "\"ok\""},
};

const struct endpoint_table operator_endpoints = {
    ENDPOINT_OPERATOR, rows, sizeof(rows) / sizeof(rows[0])};
