#include "boot_handler/http/machine_order.h"

#include <errno.h>
#include <stdlib.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/order_news.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define ORDERS_SHOWN 200

/* ---- shown --------------------------------------------------------------------------------- */

static json_t *order_json(const struct order *o)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack(
	    "{s:I, s:I, s:s, s:s, s:s, s:O?, s:s, s:o, s:o, s:o, s:i, s:o, s:I, s:I, s:o,"
	    " s:o, s:O?}",
	    "id", (json_int_t)o->id, "list", (json_int_t)o->list, "machine",
	    o->vm[0] ? o->vm : mac_format(&o->mac, mac), "mac", mac_format(&o->mac, mac), "action",
	    order_action_name(o->action), "args", o->args, "state", order_state_name(o->state),
	    "created", time_json(o->created_ms), "begun", time_json(o->begun_ms), "ended",
	    time_json(o->ended_ms), "deadline_s", (int)o->timeout_s, "phase",
	    text_or_null(o->phase), "done_bytes", (json_int_t)o->done_bytes, "total_bytes",
	    (json_int_t)o->total_bytes, "text", text_or_null(o->text), "hint",
	    text_or_null(o->hint), "figures", o->figures);
}

/* Takes what is in the orders. */
static json_t *orders_json(struct order *orders, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		json_array_append_new(list, order_json(&orders[i]));
		order_clear(&orders[i]);
	}
	return list;
}

static int list_orders(
    const struct call *c, const struct machine_named *named, struct server_answer *a, struct err *e)
{
	_cleanup_free_ struct order *orders = calloc(ORDERS_SHOWN, sizeof(*orders));

	if (!orders)
		return err_set(e, ENOMEM, "out of memory");
	unsigned count =
	    orders_of(state_orders(c->services->state), &named->cards, orders, ORDERS_SHOWN);
	return answer_json(a, json_pack("{s:o}", "orders", orders_json(orders, count)), e);
}

/* ---- given --------------------------------------------------------------------------------- */

static void wake(const struct call *c, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		server_wake(atomic_load(&c->services->guests), mac_number(&cards->mac[i]));
}

static void tell_given(
    const struct call *c, const struct machine_named *named, const struct order *order)
{
	const struct vm *vm = named->vm;
	char mac[MAC_TEXT_SIZE];

	state_tell(c->services->state, vm ? &vm->mac : &order->mac,
	    vm ? vm->name : mac_format(&order->mac, mac), EVENT_ORDER,
	    order_action_name(order->action), (const int64_t[]){order->id});
}

/* They are on disk before anyone is told of them. */
static int add_orders(const struct call *c, const struct machine_named *named, const json_t *said,
    struct server_answer *a, struct err *e)
{
	struct order orders[ORDER_LIST_MAX] = {0};
	struct state *state = c->services->state;
	struct order_list list;

	int r = order_list_parse(said, &list, e);
	if (r == 0)
		r = orders_add(state_orders(state), &named->cards.mac[0],
		    named->vm ? named->vm->name : "", &list, wall_ms(), orders, e);
	unsigned count = r == 0 ? list.count : 0;
	order_list_clear(&list);
	for (unsigned i = 0; i < count; i++)
		tell_given(c, named, &orders[i]);
	if (r == 0)
		r = state_save(state, e);
	if (count > 0)
		wake(c, &named->cards);
	json_t *answer = orders_json(orders, count);
	if (json_object_get(said, "action")) {
		json_t *one = json_incref(json_array_get(answer, 0));
		json_decref(answer);
		answer = one;
	} else {
		answer = json_pack("{s:o}", "orders", answer);
	}
	if (r == 0)
		return answer_json(a, answer, e);
	json_decref(answer);
	return r;
}

static int post_orders(
    const struct call *c, const struct machine_named *named, struct server_answer *a, struct err *e)
{
	json_error_t why;
	json_t *said =
	    json_loadb(c->request->body, c->request->body_len, JSON_REJECT_DUPLICATES, &why);

	if (!said)
		return err_set(e, EINVAL,
		    "the body is no JSON (line %d: %s): send {\"action\": ..., \"args\": {...}}, or a list of those",
		    why.line, why.text);
	int r = add_orders(c, named, said, a, e);
	json_decref(said);
	return r;
}

int machine_orders(const struct call *c, struct server_answer *a, struct err *e)
{
	struct machine_named named;

	int r = machine_find(c, &named, e);
	if (r < 0)
		return r;
	return c->request->post ? post_orders(c, &named, a, e) : list_orders(c, &named, a, e);
}

/* ---- one of them --------------------------------------------------------------------------- */

/* orders_cancel() and orders_resume(). */
typedef int order_change(struct orders *t, const struct order_cards *cards, int64_t id,
    int64_t now_ms, struct order *out, struct err *e);

static int change_order(const struct call *c, order_change *change_it, const char *said,
    struct server_answer *a, struct err *e)
{
	struct state *state = c->services->state;
	_cleanup_order_ struct order order = {0};
	struct machine_named named;

	int r = machine_find(c, &named, e);
	if (r == 0)
		r = change_it(state_orders(state), &named.cards, c->request->route->number,
		    wall_ms(), &order, e);
	if (r < 0)
		return r;
	order_news_tell(c->services);
	if (said)
		state_tell(state, named.vm ? &named.vm->mac : &order.mac, named.name, EVENT_ORDER,
		    said, (const int64_t[]){order.id});
	r = state_save(state, e);
	wake(c, &named.cards);
	return r < 0 ? r : answer_json(a, order_json(&order), e);
}

static int show_order(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_order_ struct order order = {0};
	struct machine_named named;

	int r = machine_find(c, &named, e);
	if (r == 0)
		r = orders_find(state_orders(c->services->state), &named.cards,
		    c->request->route->number, &order, e);
	return r < 0 ? r : answer_json(a, order_json(&order), e);
}

int machine_order(const struct call *c, struct server_answer *a, struct err *e)
{
	return c->request->drop ? change_order(c, orders_cancel, NULL, a, e) : show_order(c, a, e);
}

int machine_order_resume(const struct call *c, struct server_answer *a, struct err *e)
{
	return change_order(c, orders_resume, "resumed", a, e);
}
