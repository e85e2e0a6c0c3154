#include "boot_handler/http/machine_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/order_disk.h"
#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/order_image.h"
#include "boot_handler/http/order_news.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/boot/stranger.h"

#define ORDERS_SHOWN 200

/* ---- shown --------------------------------------------------------------------------------- */

static void starts_at_all(
    const struct call *c, const struct machine_named *named, char *text, size_t size)
{
	const struct vm *vm = named->vm;
	char said[BOOT_MODE_SAID_SIZE];

	if (!vm && c->services->strangers != &boot_stranger_agent)
		snprintf(text, size,
		    "its agent is not running: it starts at the machine's next network boot, where that brings it here: switch the machine off and on");
	else if (!vm)
		snprintf(text, size,
		    "its agent is not running: it starts at the machine's next network boot: switch the machine off and on");
	else if (state_life(c->services->state, &vm->mac).netboot_off)
		snprintf(text, size,
		    "its agent is not running, and its network boot is off: `vmlab netboot %s on`, then start the machine anew",
		    vm->name);
	else if (boot_mode_of(vm) == &boot_mode_off)
		snprintf(text, size,
		    "its agent is not running, and its definition says %s: it gets no loader that could start it",
		    boot_mode_said(vm, said));
	else
		snprintf(text, size,
		    "its agent is not running: it starts at %s's next network boot (`vmlab restart %s`, or switch the machine off and on)",
		    vm->name, vm->name);
}

/* What it was given may still go on behind a line that is cut; or the machine has lost it. */
static const char *says_nothing(const struct order *o)
{
	return order_row(o->action)->again
		   ? "nothing is heard of its agent: with its line cut it goes on, and tells it when the line is back; switched off, it begins anew when the machine boots the agent again"
		   : "nothing is heard of its agent: with its line cut it goes on, and tells it when the line is back; switched off, it fails when the machine boots the agent again";
}

bool machine_order_waits(const struct call *c, const struct machine_named *named,
    const struct order *o, char *text, size_t size)
{
	struct orders *orders = state_orders(c->services->state);
	int64_t now_ms = wall_ms(), silent_ms = orders_silent_ms(orders, &named->cards, now_ms);

	if (o->state == ORDER_WAITING && !orders_heard(orders, &named->cards, now_ms))
		starts_at_all(c, named, text, size);
	else if (o->state == ORDER_RUNNING && silent_ms >= ORDER_HEARD_MS)
		snprintf(text, size, "%s", says_nothing(o));
	else
		return false;
	return true;
}

static json_t *waits_json(
    const struct call *c, const struct machine_named *named, const struct order *o)
{
	char text[MACHINE_ORDER_WAITS_SIZE];

	return machine_order_waits(c, named, o, text, sizeof(text)) ? json_string(text)
								    : json_null();
}

static json_t *order_facts(const struct order *o)
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

static json_t *order_json(
    const struct call *c, const struct machine_named *named, const struct order *o)
{
	json_t *json = order_facts(o);

	json_object_set_new(json, "waits_for", waits_json(c, named, o));
	return json;
}

json_t *machine_order_brief(const struct order *order)
{
	json_t *json = order_facts(order);

	json_object_del(json, "args");
	json_object_del(json, "figures");
	return json;
}

/* Takes what is in the orders. */
static json_t *orders_json(
    const struct call *c, const struct machine_named *named, struct order *orders, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++) {
		json_array_append_new(list, order_json(c, named, &orders[i]));
		order_clear(&orders[i]);
	}
	return list;
}

json_t *machine_orders_list(const struct call *c, const struct machine_named *named)
{
	_cleanup_free_ struct order *orders = calloc(ORDERS_SHOWN, sizeof(*orders));

	if (!orders)
		return NULL;
	unsigned count =
	    orders_of(state_orders(c->services->state), &named->cards, orders, ORDERS_SHOWN);
	return orders_json(c, named, orders, count);
}

static int list_orders(
    const struct call *c, const struct machine_named *named, struct server_answer *a, struct err *e)
{
	json_t *orders = machine_orders_list(c, named);

	if (!orders)
		return err_set(e, ENOMEM, "out of memory");
	return answer_json(a, json_pack("{s:o}", "orders", orders), e);
}

/* ---- given --------------------------------------------------------------------------------- */

static void wake(const struct call *c, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		for (unsigned l = 0; l < SERVICES_GUEST_LISTENERS; l++)
			server_wake(
			    atomic_load(&c->services->guests[l]), mac_number(&cards->mac[i]));
}

static void tell_given(
    const struct call *c, const struct machine_named *named, const struct order *order)
{
	const struct vm *vm = named->vm;
	char mac[MAC_TEXT_SIZE];

	state_tell(c->services->state, vm ? &vm->mac : &order->mac,
	    vm ? vm->name : mac_format(&order->mac, mac), EVENT_ORDER,
	    order_action_name(order->action), &(struct event_value){.number = order->id});
}

/* The image that it is to boot is there, and for its architecture. */
static int check_boot(const struct call *c, const struct machine_named *named,
    const struct order_wish *wish, struct err *e)
{
	const char *image = json_string_value(json_object_get(wish->args, "image"));

	if (order_row(wish->action)->then != ORDER_THEN_IMAGE)
		return 0;
	if (!named->vm)
		return err_set(e, EBUSY,
		    "%s has no definition, without which it boots no image: `vmlab adopt %s NAME` writes one",
		    named->name, named->name);
	if (!images_boot(c->services->images, image, named->vm->arch, IMAGE_BOOTED))
		return err_set(e, EBUSY,
		    "there is no boot image \"%s\" for %s: `vmlab image ls` shows which there are",
		    image, vm_arch_name(named->vm->arch));
	return 0;
}

/* What a definition says cannot be done without one, nor can what is remembered of its machine. */
static int check_definition(const struct call *c, const struct machine_named *named,
    const struct order_list *list, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest image = {0};

	for (unsigned i = 0; i < list->count; i++) {
		const struct order_row *row = order_row(list->wish[i].action);
		const char *netboot =
		    json_string_value(json_object_get(list->wish[i].args, "netboot"));
		int r = check_boot(c, named, &list->wish[i], e);
		if (r < 0)
			return r;
		if (named->vm && row->installs &&
		    images_get(c->services->images, named->vm->distro, named->vm->arch, &image, e) <
			0)
			return -EBUSY;
		if (!named->vm && row->installs)
			return err_set(e, EBUSY,
			    "%s has no definition that says what to install: `vmlab adopt %s NAME` writes one",
			    named->name, named->name);
		if (!named->vm && netboot && strcmp(netboot, "off") == 0)
			return err_set(e, EBUSY,
			    "network boot of %s cannot go off, as it has no definition: add netboot=on, or adopt it first (`vmlab adopt %s NAME`)",
			    named->name, named->name);
	}
	return 0;
}

/* The newest inventory of its cards. NULL: none. */
static char *newest_inventory(const struct call *c, const struct machine_named *named)
{
	struct inventory_row rows[INVENTORIES_OF_ONE], newest = {.id = 0};
	struct state *state = c->services->state;
	char *text = NULL;

	for (unsigned i = 0; i < named->cards.count; i++)
		if (inventories_of(state_inventories(state), &named->cards.mac[i], rows) > 0 &&
		    rows[0].seen_ms > newest.seen_ms)
			newest = rows[0];
	return newest.id && state_inventory(state, newest.id, &text, NULL) == 0 ? text : NULL;
}

/* Names of disks become the disks that they are now. */
static int find_disks(
    const struct call *c, const struct machine_named *named, struct order_list *list, struct err *e)
{
	_cleanup_free_ char *inventory = NULL;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < list->count; i++) {
		const struct order_row *row = order_row(list->wish[i].action);
		for (const struct order_arg *a = row->args; r == 0 && a && a->name; a++) {
			const json_t *wanted = json_object_get(list->wish[i].args, a->name);
			json_t *found = NULL;
			if (a->kind != ORDER_ARG_DISK || !wanted)
				continue;
			if (!inventory && !(inventory = newest_inventory(c, named)))
				return err_set(e, EBUSY,
				    "%s has told no inventory yet, so its disks are not known: order \"inventory\" alone and wait for its end, as disks are found when orders are given, before any of a list is done",
				    named->name);
			r = order_disk_find(named->name, inventory, wanted, &found, e);
			if (r == 0)
				json_object_set_new(list->wish[i].args, a->name, found);
		}
	}
	return r;
}

/* They are on disk before anyone is told of them. */
int machine_orders_give(const struct call *c, const struct machine_named *named, const json_t *said,
    struct server_answer *a, struct err *e)
{
	struct order orders[ORDER_LIST_MAX] = {0};
	struct state *state = c->services->state;
	struct order_list list;

	int r = order_list_parse(said, &list, e);
	if (r == 0)
		r = check_definition(c, named, &list, e);
	if (r == 0)
		r = find_disks(c, named, &list, e);
	if (r == 0)
		r = order_image_check(c->services, named->vm, &list, e);
	if (r == 0)
		r = orders_add(state_orders(state), &named->cards.mac[0],
		    named->vm ? named->vm->name : "", &list, wall_ms(), orders, e);
	if (r == 0 && !named->vm)
		strangers_keep(state_strangers(state), &named->cards.mac[0]);
	unsigned count = r == 0 ? list.count : 0;
	order_list_clear(&list);
	if (r == 0)
		r = state_save(state, e);
	for (unsigned i = 0; r == 0 && i < count; i++)
		tell_given(c, named, &orders[i]);
	if (count > 0) {
		orders_settle(state_orders(state), orders[0].list, r == 0);
		wake(c, &named->cards);
	}
	json_t *answer = orders_json(c, named, orders, count);
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
	json_t *said = json_loadb(
	    c->request->body, c->request->body_len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (!said)
		return err_set(e, EINVAL,
		    "the body is no JSON (line %d: %s): send {\"action\": ..., \"args\": {...}}, or a list of those",
		    why.line, why.text);
	int r = machine_orders_give(c, named, said, a, e);
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

/* Of its name. */
static int name_missing(
    int r, const struct call *c, const struct machine_named *named, struct err *e)
{
	return r == -ENOENT && named->name
		   ? err_set(e, ENOENT, "%s has no order %lld: `vmlab orders %s` lists them",
			 named->name, (long long)c->request->route->number, named->name)
		   : r;
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
	if (r < 0)
		return r;
	r = name_missing(change_it(state_orders(state), &named.cards, c->request->route->number,
			     wall_ms(), &order, e),
	    c, &named, e);
	if (r < 0)
		return r;
	r = state_save(state, e);
	if (r == 0 && said)
		state_tell(state, named.vm ? &named.vm->mac : &order.mac, named.name, EVENT_ORDER,
		    said, &(struct event_value){.number = order.id});
	orders_settle(state_orders(state), order.list, r == 0);
	if (r < 0)
		order_news_begun(c->services); /* its time goes on */
	order_news_tell(c->services);
	wake(c, &named.cards);
	return r < 0 ? r : answer_json(a, order_json(c, &named, &order), e);
}

static int find_order(
    const struct call *c, struct machine_named *named, struct order *order, struct err *e)
{
	int r = machine_find(c, named, e);

	return r < 0 ? r
		     : name_missing(orders_find(state_orders(c->services->state), &named->cards,
					c->request->route->number, order, e),
			   c, named, e);
}

static int show_order(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_order_ struct order order = {0};
	struct machine_named named;

	int r = find_order(c, &named, &order, e);
	return r < 0 ? r : answer_json(a, order_json(c, &named, &order), e);
}

int machine_order_cancel(const struct call *c, struct server_answer *a, struct err *e)
{
	return change_order(c, orders_cancel, NULL, a, e);
}

int machine_order(const struct call *c, struct server_answer *a, struct err *e)
{
	return c->request->drop ? machine_order_cancel(c, a, e) : show_order(c, a, e);
}

int machine_order_output(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_order_ struct order order = {0};
	struct machine_named named;
	char *text = NULL;
	size_t len = 0;

	int r = find_order(c, &named, &order, e);
	if (r == 0)
		r = outputs_read(state_outputs(c->services->state), order.id, &text, &len, e);
	if (r < 0)
		return r;
	a->type = "application/octet-stream";
	a->kind = SERVER_BODY_OWNED;
	a->body = text ? text : strdup("");
	a->len = len;
	return 0;
}

int machine_order_resume(const struct call *c, struct server_answer *a, struct err *e)
{
	return change_order(c, orders_resume, "resumed", a, e);
}
