#include "boot_handler/http/guest_agent.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/documents/inventory.h"
#include "boot_handler/documents/owner.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/http/order_news.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/pace.h"

/* ---- who calls ---------------------------------------------------------------------------- */

struct caller {
	struct mac mac;               /* that it names itself by */
	const struct vm *vm;          /* NULL: no definition has it */
	char name[MACHINE_NAME_SIZE]; /* the definition's, else its MAC address */
	struct order_cards cards;
};

/* The card that the address is, or was leased to. */
static bool calling_card(const struct call *c, struct mac *out)
{
	struct source source;

	if (!source_parse(c->request->source, &source))
		return false;
	struct lease at = {.six = source.six, .ip = source.ip, .ip6 = source.ip6};
	return neighbour_mac(&source, out) ||
	       lease_memory_holder(&c->services->undeclared, &at, out);
}

static int need_its_card(const struct call *c, const struct mac *mac, struct err *e)
{
	char named[MAC_TEXT_SIZE], calls[MAC_TEXT_SIZE] = "an unknown card";
	struct mac card;

	if (c->services->any_source)
		return 0;
	if (calling_card(c, &card)) {
		if (mac_equal(&card, mac))
			return 0;
		mac_format(&card, calls);
	}
	return err_set(e, EPERM,
	    "a machine speaks for itself only: this request is about %s and came from %s, which is %s (where machines get their addresses from another DHCP server, start the stack with GUEST_ACCESS=any)",
	    mac_format(mac, named), c->request->source[0] ? c->request->source : "nowhere", calls);
}

static int find_caller(
    const struct call *c, const struct mac *mac, struct caller *out, struct err *e)
{
	*out = (struct caller){.mac = *mac};
	out->vm = services_vm_by_mac(c->services, c->snapshot, mac);
	out->cards.mac[out->cards.count++] = *mac;
	if (!out->vm) {
		mac_format(mac, out->name);
		return need_its_card(c, mac, e);
	}
	snprintf(out->name, sizeof(out->name), "%s", out->vm->name);
	out->cards.mac[out->cards.count++] = out->vm->mac;
	return call_need_itself(c, out->vm, e);
}

/* ---- what is made of it -------------------------------------------------------------------- */

/* Those of strangers; a hall full of them may be switched on at once. */
static const struct pace_rule events_pace = {.free = 500, .first_ms = 10000, .most_ms = 10000};

static bool may_tell(const struct caller *who)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct pace events;
	int64_t now = monotonic_ms();

	if (who->vm)
		return true;
	pthread_mutex_lock(&lock);
	bool may = pace_wait_ms(&events, &events_pace, now) == 0;
	if (may)
		pace_take(&events, &events_pace, now);
	pthread_mutex_unlock(&lock);
	return may;
}

static void tell(const struct call *c, const struct caller *who, enum event_kind kind,
    const char *text, const int64_t *values)
{
	if (may_tell(who))
		state_tell(c->services->state, who->vm ? &who->vm->mac : &who->mac, who->name, kind,
		    text, values);
}

static void see_stranger(const struct call *c, const struct caller *who, const struct shown *shown,
    const struct inventory *inventory)
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

static void see(const struct call *c, const struct caller *who, const struct shown *shown,
    const struct inventory *inventory)
{
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
	struct caller who;

	int r = agent_greeting_parse(c->request->body, c->request->body_len, &greeting, e);
	if (r == 0)
		r = find_caller(c, &greeting.mac, &who, e);
	if (r < 0)
		return r;
	see(c, &who, &greeting.shown, NULL);
	if (!who.vm)
		tell(c, &who, EVENT_AGENT, "", NULL);
	return answer_json(a, json_pack("{s:s}", "machine", who.name), e);
}

static bool is_declared(void *ctx, const struct mac *mac)
{
	const struct call *c = ctx;

	return services_vm_by_mac(c->services, c->snapshot, mac) != NULL;
}

static int take_inventory(
    const struct call *c, const struct caller *who, struct inventory *inventory, struct err *e)
{
	struct state *state = c->services->state;

	see(c, who, &inventory->shown, inventory);
	int r = inventories_take(state_inventories(state), &who->mac, steal_ptr(inventory->text),
	    wall_ms(), is_declared, (void *)c, e);
	if (r != 0)
		return r < 0 ? r : 0;
	tell(c, who, EVENT_INVENTORY, inventory->summary, NULL);
	return state_save(state, e);
}

int guest_inventory(const struct call *c, struct server_answer *a, struct err *e)
{
	struct inventory inventory;
	struct caller who;

	int r = find_caller(c, &c->request->route->mac, &who, e);
	if (r < 0)
		return r;
	r = inventory_parse(c->request->body, c->request->body_len, &inventory, e);
	if (r == 0)
		r = take_inventory(c, &who, &inventory, e);
	inventory_clear(&inventory);
	a->status = 204;
	return r;
}

static json_t *given_json(const struct order *order)
{
	return json_pack("{s:s, s:I, s:O*, s:i}", "action", order_action_name(order->action), "id",
	    (json_int_t)order->id, "args", order->args, "timeout_s", (int)order->timeout_s);
}

/* What the agent is to do; without anything the answer is put off. */
int guest_poll(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct route *route = c->request->route;
	_cleanup_order_ struct order order = {0};
	struct caller who;

	int r = find_caller(c, &route->mac, &who, e);
	if (r < 0)
		return r;
	if (who.vm && !c->request->head)
		state_seen(c->services->state, &who.vm->mac, who.vm->name);
	bool given = !c->request->head &&
		     orders_give(state_orders(c->services->state), &who.cards, wall_ms(), &order);
	order_news_tell(c->services);
	if (given) {
		order_news_begun(c->services);
		return answer_json(a, given_json(&order), e);
	}
	a->status = 204;
	if (route->wait_s > 0 && !c->request->over) {
		a->hold_ms = (int64_t)route->wait_s * 1000;
		a->hold_key = mac_number(&who.mac);
		a->hold_few = !who.vm;
	}
	return 0;
}

/* That it was begun is on disk before it is: it may not be begun twice. */
int guest_order_progress(const struct call *c, struct server_answer *a, struct err *e)
{
	struct agent_progress told;
	struct caller who;
	bool first = false;

	int r = agent_progress_parse(c->request->body, c->request->body_len, &told, e);
	if (r == 0)
		r = find_caller(c, &told.mac, &who, e);
	if (r < 0)
		return r;
	if (who.vm)
		state_seen(c->services->state, &who.vm->mac, who.vm->name);
	const struct order_progress now = {.phase = told.phase[0] ? told.phase : NULL,
	    .text = told.text,
	    .done_bytes = told.done_bytes,
	    .total_bytes = told.total_bytes};
	r = orders_progress(
	    state_orders(c->services->state), &who.cards, told.id, &now, wall_ms(), &first, e);
	order_news_tell(c->services);
	a->status = 204;
	return r == 0 && first ? state_save(c->services->state, e) : r;
}

/* Told twice is as good as once. */
static int judge_again(const struct order *order, bool ok, struct err *e)
{
	if (order->state == (ok ? ORDER_DONE : ORDER_FAILED))
		return 0;
	return err_set(e, EBUSY, "order %lld is over: %s", (long long)order->id,
	    order->text[0] ? order->text : order_state_name(order->state));
}

static int end_order(const struct call *c, const struct caller *who,
    const struct agent_ending *ending, struct err *e)
{
	const struct order_end how = {.ok = ending->ok,
	    .text = ending->text,
	    .phase = ending->phase[0] ? ending->phase : NULL,
	    .hint = ending->hint,
	    .figures = ending->figures};
	struct state *state = c->services->state;
	_cleanup_order_ struct order order = {0};

	int r =
	    orders_end(state_orders(state), &who->cards, ending->id, &how, wall_ms(), &order, e);
	if (r == ORDER_ENDED_BEFORE)
		return judge_again(&order, ending->ok, e);
	if (r < 0)
		return r;
	if (order.netboot_off && who->vm)
		state_netboot(state, &who->vm->mac, who->vm->name, false);
	order_news_tell(c->services);
	return state_save(state, e);
}

int guest_order_done(const struct call *c, struct server_answer *a, struct err *e)
{
	struct agent_ending ending;
	struct caller who;

	int r = agent_ending_parse(c->request->body, c->request->body_len, &ending, e);
	if (r == 0)
		r = find_caller(c, &ending.mac, &who, e);
	if (r == 0)
		r = end_order(c, &who, &ending, e);
	agent_ending_clear(&ending);
	a->status = 204;
	return r;
}
