#include "boot_handler/http/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define ORDERS_SHOWN 50

/* ---- which one ----------------------------------------------------------------------------- */

struct named {
	const struct vm *vm;      /* NULL: no definition has it */
	const char *name;         /* its name, or how it was named */
	struct order_cards cards; /* the one that it asked with last is the first */
};

static const struct vm *find_vm(const struct call *c, const char *id)
{
	char uuid[UUID_TEXT_SIZE];
	const struct vm *vm;
	struct mac mac;

	if (mac_parse(id, strlen(id), &mac, NULL) == 0)
		return services_vm_by_mac(c->services, c->snapshot, &mac);
	if (smbios_uuid_parse(id, uuid))
		return vm_snapshot_by_uuid(c->snapshot, uuid);
	vm = vm_snapshot_by_name(c->snapshot, id);
	return vm ? vm : vm_snapshot_by_serial(c->snapshot, id);
}

static void add_card(struct order_cards *cards, const struct mac *mac)
{
	if (mac_number(mac))
		cards->mac[cards->count++] = *mac;
}

static int find(const struct call *c, struct named *out, struct err *e)
{
	struct state *state = c->services->state;
	const char *id = c->request->route->machine;
	struct stranger stranger;
	struct mac nic;

	*out = (struct named){.vm = find_vm(c, id), .name = id};
	if (out->vm) {
		out->name = out->vm->name;
		if (state_nic(state, &out->vm->mac, &nic))
			add_card(&out->cards, &nic);
		add_card(&out->cards, &out->vm->mac);
		return 0;
	}
	int r = strangers_find(state_strangers(state), id, &stranger, e);
	for (int i = 0; r == 0 && i < STRANGER_MACS; i++)
		add_card(&out->cards, &stranger.mac[i]);
	if (r == 0 && out->cards.count == 0)
		return err_set(e, EBUSY, "\"%s\" has not shown any MAC address yet", id);
	return r;
}

static json_t *macs_json(const struct order_cards *cards)
{
	json_t *list = json_array();
	char mac[MAC_TEXT_SIZE];

	for (unsigned i = 0; i < cards->count; i++)
		json_array_append_new(list, json_string(mac_format(&cards->mac[i], mac)));
	return list;
}

/* ---- inventories ----------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct inventory_row *)a)->id,
		y = ((const struct inventory_row *)b)->id;

	return (x < y) - (x > y);
}

static json_t *inventory_json(const struct call *c, const struct inventory_row *row)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	char mac[MAC_TEXT_SIZE];

	if (state_inventory(c->services->state, row->id, &text, &e) < 0 || !text)
		return NULL;
	json_t *told = json_loads(text, 0, NULL);
	return told ? json_pack("{s:s, s:o, s:o, s:o}", "mac", mac_format(&row->mac, mac), "at",
			  time_json(row->at_ms), "seen", time_json(row->seen_ms), "inventory", told)
		    : NULL;
}

int machine_inventory(const struct call *c, struct server_answer *a, struct err *e)
{
	struct inventory_row
	    rows[sizeof(((struct order_cards *)0)->mac) / sizeof(struct mac) * INVENTORIES_OF_ONE];
	struct named named;
	unsigned count = 0;

	int r = find(c, &named, e);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < named.cards.count; i++)
		count += inventories_of(
		    state_inventories(c->services->state), &named.cards.mac[i], rows + count);
	if (count == 0)
		return err_set(e, ENOENT,
		    "%s has told no inventory yet: it does when it boots with \"mode\": \"agent\", or a stranger with STRANGERS=agent",
		    named.name);
	qsort(rows, count, sizeof(*rows), newest_first);
	json_t *list = json_array();
	for (unsigned i = 0; i < count && i < INVENTORIES_OF_ONE; i++) {
		json_t *one = inventory_json(c, &rows[i]);
		if (one)
			json_array_append_new(list, one);
	}
	return answer_json(a,
	    json_pack("{s:s?, s:o, s:o}", "name", named.vm ? named.vm->name : NULL, "macs",
		macs_json(&named.cards), "inventories", list),
	    e);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static json_t *order_json(const struct order *o)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", (json_int_t)o->id,
	    "machine", o->vm[0] ? o->vm : mac_format(&o->mac, mac), "mac", mac_format(&o->mac, mac),
	    "action", order_action_name(o->action), "state", order_state_name(o->state), "created",
	    time_json(o->created_ms), "begun", time_json(o->begun_ms), "ended",
	    time_json(o->ended_ms), "text", text_or_null(o->text));
}

static int list_orders(
    const struct call *c, const struct named *named, struct server_answer *a, struct err *e)
{
	struct order orders[ORDERS_SHOWN];
	unsigned count =
	    orders_of(state_orders(c->services->state), &named->cards, orders, ORDERS_SHOWN);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, order_json(&orders[i]));
	return answer_json(a, json_pack("{s:o}", "orders", list), e);
}

static int read_action(const struct call *c, enum order_action *out, struct err *e)
{
	json_t *json =
	    json_loadb(c->request->body, c->request->body_len, JSON_REJECT_DUPLICATES, NULL);
	const char *action = json_string_value(json_object_get(json, "action"));
	char words[ORDER_WORDS_SIZE];

	int r = action ? order_action_parse(action, out) : -EINVAL;
	if (r < 0)
		err_set(e, EINVAL, "there is no such order: send {\"action\": ...} with one of %s",
		    order_actions_words(words));
	json_decref(json);
	return r;
}

static void wake(const struct call *c, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		server_wake(atomic_load(&c->services->guests), mac_number(&cards->mac[i]));
}

/* It is on disk before anyone is told of it. */
static int add_order(
    const struct call *c, const struct named *named, struct server_answer *a, struct err *e)
{
	struct state *state = c->services->state;
	const char *name = named->vm ? named->vm->name : "";
	char mac[MAC_TEXT_SIZE];
	enum order_action action;
	struct order order;

	int r = read_action(c, &action, e);
	if (r == 0)
		r = orders_add(
		    state_orders(state), &named->cards.mac[0], name, action, wall_ms(), &order, e);
	if (r < 0)
		return r;
	state_tell(state, named->vm ? &named->vm->mac : &named->cards.mac[0],
	    *name ? name : mac_format(&named->cards.mac[0], mac), EVENT_ORDER,
	    order_action_name(action), (const int64_t[]){order.id});
	r = state_save(state, e);
	wake(c, &named->cards);
	return r < 0 ? r : answer_json(a, order_json(&order), e);
}

int machine_orders(const struct call *c, struct server_answer *a, struct err *e)
{
	struct named named;

	int r = find(c, &named, e);
	if (r < 0)
		return r;
	return c->request->post ? add_order(c, &named, a, e) : list_orders(c, &named, a, e);
}
