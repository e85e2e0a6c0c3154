#include "boot_handler/http/guest_agent.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/documents/inventory.h"
#include "boot_handler/documents/owner.h"
#include "boot_handler/http/guest_caller.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/guest_order.h"
#include "boot_handler/http/order_eeprom.h"
#include "boot_handler/http/order_image.h"
#include "boot_handler/http/order_news.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* ---- what is made of it -------------------------------------------------------------------- */

static void tell(
    const struct call *c, const struct guest_caller *who, enum event_kind kind, const char *text)
{
	state_heard(c->services->state, who->vm ? &who->vm->mac : &who->mac,
	    who->vm ? who->name : NULL, kind, text, NULL);
}

static void see_stranger(const struct call *c, const struct guest_caller *who,
    const struct shown *shown, const struct inventory *inventory)
{
	struct stranger_sight sight = {.mac = &who->mac,
	    .shown = shown,
	    .goes_on = true,
	    .memory_bytes = inventory ? inventory->memory_bytes : 0,
	    .disk_bytes = inventory ? inventory->disk_bytes : 0,
	    .now_ms = wall_ms()};
	struct source source;

	if (!call_is_proxied(c) && source_parse(c->request->source, &source)) {
		sight.ip = source.ip;
		sight.ip6 = source.ip6;
	}
	(void)services_stranger_seen(c->services, &sight);
}

static void see(const struct call *c, const struct guest_caller *who, const struct shown *shown,
    const struct inventory *inventory)
{
	orders_hear(state_orders(c->services->state), &who->cards, wall_ms());
	if (!who->vm) {
		see_stranger(c, who, shown, inventory);
		return;
	}
	state_agent(c->services->state, &who->vm->mac, who->vm->name);
	if (!call_is_proxied(c))
		state_seen_from(
		    c->services->state, &who->vm->mac, who->vm->name, c->request->source);
}

/* ---- the calls ----------------------------------------------------------------------------- */

int guest_register(const struct call *c, struct server_answer *a, struct err *e)
{
	struct agent_greeting greeting;
	struct guest_caller who;

	int r = agent_greeting_parse(c->request->body, c->request->body_len, &greeting, e);
	if (r == 0)
		r = guest_caller_find(c, &greeting.mac, &who, e);
	if (r < 0)
		return r;
	see(c, &who, &greeting.shown, NULL);
	if (!who.vm)
		tell(c, &who, EVENT_AGENT, "");
	return answer_json(a, json_pack("{s:s}", "machine", who.name), e);
}

static bool is_declared(void *ctx, const struct mac *mac)
{
	const struct call *c = ctx;

	return services_vm_by_mac(c->services, c->snapshot, mac) != NULL;
}

static int take_inventory(const struct call *c, const struct guest_caller *who,
    struct inventory *inventory, struct err *e)
{
	struct state *state = c->services->state;

	see(c, who, &inventory->shown, inventory);
	int r = inventories_take(state_inventories(state), &who->mac, steal_ptr(inventory->text),
	    wall_ms(), is_declared, (void *)c, e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!who->vm) /* an inventory of nobody could not be asked for */
		strangers_keep(state_strangers(state), &who->mac);
	tell(c, who, EVENT_INVENTORY, inventory->summary);
	return state_save(state, e);
}

int guest_inventory(const struct call *c, struct server_answer *a, struct err *e)
{
	struct inventory inventory;
	struct guest_caller who;

	int r = guest_caller_find(c, &c->request->route->mac, &who, e);
	if (r < 0)
		return r;
	r = inventory_parse(c->request->body, c->request->body_len, &inventory, e);
	if (r == 0)
		r = take_inventory(c, &who, &inventory, e);
	inventory_clear(&inventory);
	a->status = 204;
	return r;
}

static json_t *given_json(const struct call *c, const struct vm *vm, const struct order *order)
{
	json_t *args = order_image_given(c->services, vm, order->args);

	order_eeprom_put(c->services, vm, order, args);
	return json_pack("{s:s, s:I, s:I, s:o*, s:i}", "action", order_action_name(order->action),
	    "id", (json_int_t)order->id, "begun_ms", (json_int_t)order->begun_ms, "args", args,
	    "timeout_s", (int)order->timeout_s);
}

/* On disk before the agent has it: a server that is killed then would take it for one that waits,
 * and what is told of it for a mistake. */
static void remember_given(const struct call *c, const struct order *order)
{
	struct err e = ERR_INIT;

	if (state_save(c->services->state, &e) < 0)
		log_warn("that order %lld is handed out is not on disk yet: %s",
		    (long long)order->id, e.msg);
}

/* What the agent is to do; without anything the answer is put off. */
int guest_poll(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct route *route = c->request->route;
	_cleanup_order_ struct order order = {0};
	struct guest_caller who;

	int r = guest_caller_find(c, &route->mac, &who, e);
	if (r < 0)
		return r;
	if (who.vm && !c->request->head)
		state_seen(c->services->state, &who.vm->mac, who.vm->name);
	bool given = !c->request->head &&
		     orders_give(state_orders(c->services->state), &who.cards, wall_ms(), &order);
	order_news_tell(c->services);
	if (given) {
		guest_order_begins(c, who.vm, &order);
		remember_given(c, &order);
		return answer_json(a, given_json(c, who.vm, &order), e);
	}
	a->status = 204;
	if (route->wait_s > 0 && !c->request->over) {
		a->hold_ms = (int64_t)route->wait_s * 1000;
		a->hold_key = mac_number(&who.mac);
		a->hold_few = !who.vm;
	}
	return 0;
}
