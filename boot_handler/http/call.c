#include "boot_handler/http/call.h"

#include <errno.h>
#include <string.h>

#include "boot_handler/documents/owner.h"
#include "boot_handler/http/metrics.h"

bool call_is_its_own(const struct call *c, const struct vm *vm)
{
	struct machine_addresses known;
	struct source source;

	if (c->services->any_source)
		return true;
	if (!source_parse(c->request->source, &source))
		return false;
	if (!source.six && vm->ip.s_addr == source.ip.s_addr)
		return true;
	state_addresses(c->services->state, &vm->mac, &known);
	return owner_has(vm, &known, &source);
}

bool call_is_proxied(const struct call *c)
{
	const char *source = c->request->source;

	return strcmp(source, c->services->dns) == 0 || strncmp(source, "127.", 4) == 0 ||
	       strcmp(source, "::1") == 0;
}

void call_note_address(const struct call *c, const struct vm *vm)
{
	if (!call_is_proxied(c))
		state_seen_from(c->services->state, &vm->mac, vm->name, c->request->source);
}

int call_need_itself(const struct call *c, const struct vm *vm, struct err *e)
{
	const char *path = c->request->endpoint->path, *source = c->request->source;
	struct machine_addresses known;
	char what[MACHINE_STAGE_SIZE], address[INET6_ADDRSTRLEN];

	if (call_is_its_own(c, vm))
		return 0;
	snprintf(what, sizeof(what), "/%.*s", (int)strcspn(path + 1, "/"), path + 1);
	state_refused(c->services->state, &vm->mac, vm->name, what);
	state_addresses(c->services->state, &vm->mac, &known);
	return err_set(e, EPERM,
	    "%s of %s is only for %s itself, which has %s: this request came from %s (where machines get their addresses from another DHCP server, start the stack with GUEST_ACCESS=any)",
	    what, vm->name, vm->name, owner_address(vm, &known, address),
	    source[0] ? source : "nowhere");
}

/* By its name, the definition's MAC address, or that of the card which it last asked with. */
static int find_vm(struct call *c, struct err *e)
{
	const struct route *route = c->request->route;
	char mac[MAC_TEXT_SIZE];

	if (endpoint_names(c->request->endpoint, "<mac>")) {
		c->vm = services_vm_by_mac(c->services, c->snapshot, &route->mac);
		if (!c->vm)
			return err_set(e, ENOENT, "no definition in vms/ has the MAC address %s",
			    mac_format(&route->mac, mac));
	} else if (endpoint_names(c->request->endpoint, "<name>")) {
		c->vm = vm_snapshot_by_name(c->snapshot, route->name);
		if (!c->vm)
			return err_set(
			    e, ENOENT, "no definition in vms/ has the name %s", route->name);
	}
	return 0;
}

/* Who calls by a socket of the file system has no address: it is told as nginx does. */
static void act_for(const struct server_request *request)
{
	if (request->table->side == ENDPOINT_GUEST)
		state_source("", request->source);
	else
		state_source("operator", request->source[0] ? request->source : "unix:");
}

/* `sink` NULL: the request is whole, and `a` is filled. */
static int answer(struct services *services, const struct server_request *request,
    struct server_sink *sink, struct server_answer *a, struct err *e)
{
	const struct endpoint *endpoint = request->endpoint;
	struct call c = {services, request, vm_store_snapshot(services->store), NULL};

	act_for(request);
	int r = find_vm(&c, e);
	if (r == 0 && endpoint->access == ENDPOINT_ITSELF)
		r = call_need_itself(&c, c.vm, e);
	if (r == 0)
		r = sink ? endpoint->begin(&c, sink, e) : endpoint->run(&c, a, e);
	state_source("", "");
	vm_snapshot_unref(c.snapshot);
	return r;
}

void call_answer(void *ctx, const struct server_request *request, struct server_answer *a)
{
	struct err e = ERR_INIT;
	int r = answer(ctx, request, NULL, a, &e);

	if (r < 0)
		server_answer_error(a, request->table, server_status(r), e.msg);
	if (a->hold_ms == 0 || request->over)
		metrics_asked(((struct services *)ctx)->metrics, request->endpoint, a->status);
}

int call_begin(
    void *ctx, const struct server_request *request, struct server_sink *sink, struct err *e)
{
	return answer(ctx, request, sink, NULL, e);
}

int call_health(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	(void)e;
	server_answer_text(a, "text/plain; charset=utf-8", strdup("ok\n"));
	return 0;
}
