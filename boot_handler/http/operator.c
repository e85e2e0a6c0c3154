#include "boot_handler/http/operator.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/backups.h"
#include "boot_handler/http/call.h"
#include "boot_handler/http/console.h"
#include "boot_handler/http/events.h"
#include "boot_handler/http/explain.h"
#include "boot_handler/http/hooks.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/listing.h"
#include "boot_handler/http/logins.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/machine_order.h"
#include "boot_handler/http/machines.h"
#include "boot_handler/http/metrics.h"
#include "boot_handler/http/openapi.h"
#include "boot_handler/http/vm_json.h"
#include "boot_handler/http/vm_order.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

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

static json_t *next_vm(struct listing *l)
{
	if (l->next == vm_snapshot_count(l->snapshot))
		return NULL;
	return vm_json(l->services, l->snapshot, vm_snapshot_at(l->snapshot, l->next++));
}

static json_t *vms_tail(const struct listing *l)
{
	return vm_problems_json(l->services->state, l->snapshot);
}

static const struct listing_kind vms_kind = {"vms", next_vm, "problems", vms_tail};

static int vms(const struct call *c, struct server_answer *a, struct err *e)
{
	return listing_answer(c, &vms_kind, a, e);
}

/* ---- orders ------------------------------------------------------------------------------ */

static int ordered(
    const struct call *c, vm_order_kind *kind, struct server_answer *a, struct err *e)
{
	int r = vm_order(c->services, c->vm, kind, e);

	return r < 0 ? r : answer_json(a, vm_json(c->services, c->snapshot, c->vm), e);
}

static int local(const struct call *c, struct server_answer *a, struct err *e)
{
	return ordered(c, vm_order_local, a, e);
}

static int reinstall(const struct call *c, struct server_answer *a, struct err *e)
{
	return ordered(c, vm_order_reinstall, a, e);
}

static int netboot_off(const struct call *c, struct server_answer *a, struct err *e)
{
	return ordered(c, vm_order_netboot_off, a, e);
}

static int netboot_on(const struct call *c, struct server_answer *a, struct err *e)
{
	return ordered(c, vm_order_netboot_on, a, e);
}

/* ---- health ------------------------------------------------------------------------------ */

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
    {"GET", "/api/v1/machines/<id>/explain", NULL, explain,
	.summary = "how far it has come, which link is broken, by what evidence, and what to do"},
    {"POST|GET", "/api/v1/machines/<id>/orders", NULL, machine_orders,
	.body_max = MACHINE_ORDER_MAX_BYTES,
	.summary = "{\"action\", \"args\"} or a list: what its agent is to do; GET: its orders"},
    {"DELETE|GET", "/api/v1/machines/<id>/orders/<n>", NULL, machine_order,
	.summary = "one order; DELETE: take it back, and what follows it in its list"},
    {"GET", "/api/v1/machines/<id>/orders/<n>/output", NULL, machine_order_output,
	.summary = "what it wrote: the first and the last of it",
	.produces = "application/octet-stream"},
    {"POST", "/api/v1/machines/<id>/orders/<n>/resume", NULL, machine_order_resume,
	.summary = "begin it again after it did not end well, and what follows it"},
    {"GET", "/api/v1/machines/<id>/console", NULL, console_printed_answer,
	.summary = "the last 64 KiB that it printed on its serial console",
	.produces = "application/octet-stream"},
    {"GET", "/api/v1/machines/<id>/console/stream", route_query_console, console_stream,
	.summary = "these, then what it prints (SSE, base64); Last-Event-ID or ?after= goes on",
	.produces = "text/event-stream"},
    {"POST", "/api/v1/machines/<id>/console/keys", NULL, console_keys,
	.body_max = CONSOLE_TYPED_MAX_BYTES,
	.summary = "{\"keys\": \"uptime\\r\"}: type on its serial console"},
    {"GET", "/api/v1/backups", NULL, backups_list,
	.summary = "the images that machines' disks became by order"},
    {"DELETE", "/api/v1/backups/<image>", NULL, backups_remove, .summary = "remove one",
	.takes_away = true},
    {"GET", "/api/v1/events", route_query_events, events_list,
	.summary =
	    "what happened: ?after=, limit=, machine=, vm=, kind=, severity=, since=, until="},
    {"GET", "/api/v1/stream", route_query_events, events_stream,
	.summary = "the same as it happens (SSE); Last-Event-ID goes on after that",
	.produces = "text/event-stream"},
    {"POST|GET", "/api/v1/webhooks", NULL, hooks_answer, .body_max = HOOKS_MAX_BYTES,
	.summary =
	    "{\"name\", \"url\", \"filter\", \"secret\"}: have events told to a URL; GET: all, and how far"},
    {"DELETE|GET", "/api/v1/webhooks/<hook>", NULL, hooks_answer_one,
	.summary = "one of them; DELETE: tell it nothing more", .takes_away = true},
    {"POST", "/api/v1/webhooks/<hook>/test", NULL, hooks_answer_test,
	.summary = "one delivery without events, at once; where it is taken, others follow"},
    {"GET", "/api/v1/openapi.json", NULL, openapi_answer,
	.summary = "all these, as OpenAPI 3.0 has them"},
    {"POST", "/api/v1/logins", NULL, logins_invite, .access = ENDPOINT_OWNER,
	.body_max = LOGINS_MAX_BYTES,
	.summary = "a link that lets one browser in, to read or as admin"},
    {"DELETE", "/api/v1/sessions", NULL, logins_end, .access = ENDPOINT_OWNER,
	.summary = "end all sessions of browsers, and open links"},
    {"GET", "/api/v1/holders", NULL, holders, .summary = "who holds which name and address"},
    {"GET", "/metrics", NULL, metrics_answer, .summary = "for Prometheus: its text format 0.0.4",
	.produces = "text/plain"},
    {"GET", "/readyz", NULL, readiness, .summary = "whether all works, else 503 and why not"},
    {"GET", "/healthz", NULL, call_health, .summary = "\"ok\"", .produces = "text/plain"},
};

const struct endpoint_table operator_endpoints = {
    .side = ENDPOINT_OPERATOR, .rows = rows, .count = sizeof(rows) / sizeof(rows[0])};
