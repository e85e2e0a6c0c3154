#include "boot_handler/http/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine_now.h"
#include "lib/base/cleanup.h"

/* ---- which one ----------------------------------------------------------------------------- */

static const struct vm *find_vm(
    const struct services *services, const struct vm_snapshot *snapshot, const char *id)
{
	char uuid[UUID_TEXT_SIZE];
	const struct vm *vm;
	struct mac mac;

	if (mac_parse(id, strlen(id), &mac, NULL) == 0)
		return services_vm_by_mac(services, snapshot, &mac);
	if (smbios_uuid_parse(id, uuid))
		return vm_snapshot_by_uuid(snapshot, uuid);
	vm = vm_snapshot_by_name(snapshot, id);
	return vm ? vm : vm_snapshot_by_serial(snapshot, id);
}

static void add_card(struct order_cards *cards, const struct mac *mac)
{
	if (mac_number(mac))
		cards->mac[cards->count++] = *mac;
}

void machine_cards(const struct services *services, const struct vm *vm, struct order_cards *out)
{
	struct mac nic;

	out->count = 0;
	if (state_nic(services->state, &vm->mac, &nic))
		add_card(out, &nic);
	add_card(out, &vm->mac);
}

/* Of a name that no machine has. Its file may be there, and not in force. */
static int unknown(const struct vm_snapshot *snapshot, const char *id, struct err *e)
{
	size_t count = vm_snapshot_problem_count(snapshot), len = strlen(id);

	for (size_t i = 0; i < count; i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snapshot, i);
		if (!p->warning && strncmp(p->file, id, len) == 0 &&
		    strcmp(p->file + len, ".json") == 0)
			return err_set(e, ENOENT,
			    "%s is there, but not in force: %s (`vmlab validate` shows where)",
			    p->file, p->text);
	}
	return err_set(e, ENOENT,
	    "no definition has a machine \"%s\", and no other has shown that as MAC, UUID or serial number: `vmlab machines` lists all",
	    id);
}

int machine_find(const struct call *c, struct machine_named *out, struct err *e)
{
	return machine_find_id(c->services, c->snapshot, c->request->route->machine, out, e);
}

int machine_find_id(const struct services *services, const struct vm_snapshot *snapshot,
    const char *id, struct machine_named *out, struct err *e)
{
	struct state *state = services->state;
	struct stranger stranger;

	*out = (struct machine_named){.vm = find_vm(services, snapshot, id), .name = id};
	if (out->vm) {
		out->name = out->vm->name;
		machine_cards(services, out->vm, &out->cards);
		return 0;
	}
	int r = strangers_find(state_strangers(state), id, &stranger, e);
	if (r == -ENOENT)
		return unknown(snapshot, id, e);
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

json_t *machine_told(struct services *services, const struct order_cards *cards)
{
	struct inventory_row rows[INVENTORIES_OF_ONE], newest = {.id = 0};
	_cleanup_free_ char *text = NULL;
	struct err unread = ERR_INIT;

	for (unsigned i = 0; i < cards->count; i++)
		if (inventories_of(state_inventories(services->state), &cards->mac[i], rows) > 0 &&
		    rows[0].id > newest.id)
			newest = rows[0];
	if (newest.id == 0 || state_inventory(services->state, newest.id, &text, &unread) < 0)
		return NULL;
	return text ? json_loads(text, 0, NULL) : NULL;
}

/* What it does, beside what it is made of. */
static void put_now(const struct call *c, const struct machine_named *named, json_t *json)
{
	_cleanup_machine_now_ struct machine_now now = {.has_order = false};

	if (!named->vm) {
		machine_now_put_stranger(c->services, &named->cards, json);
		return;
	}
	machine_now_find(c->services, c->snapshot, named->vm, &now);
	machine_now_put(&now, json);
}

int machine_inventory(const struct call *c, struct server_answer *a, struct err *e)
{
	struct inventory_row
	    rows[sizeof(((struct order_cards *)0)->mac) / sizeof(struct mac) * INVENTORIES_OF_ONE];
	struct machine_named named;
	unsigned count = 0;

	int r = machine_find(c, &named, e);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < named.cards.count; i++)
		count += inventories_of(
		    state_inventories(c->services->state), &named.cards.mac[i], rows + count);
	if (count == 0)
		return err_set(e, ENOENT,
		    "%s has told no inventory yet: it does when it boots with \"mode\": \"agent\", or one without a definition with STRANGERS=agent (in a lab VMLAB_STRANGERS=agent)",
		    named.name);
	qsort(rows, count, sizeof(*rows), newest_first);
	json_t *list = json_array();
	for (unsigned i = 0; i < count && i < INVENTORIES_OF_ONE; i++) {
		json_t *one = inventory_json(c, &rows[i]);
		if (one)
			json_array_append_new(list, one);
	}
	json_t *json = json_pack("{s:s?, s:o, s:o}", "name", named.vm ? named.vm->name : NULL,
	    "macs", macs_json(&named.cards), "inventories", list);
	put_now(c, &named, json);
	return answer_json(a, json, e);
}
