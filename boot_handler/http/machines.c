#include "boot_handler/http/machines.h"

#include <errno.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/listing.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/machine_now.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

static void add_mac(json_t *macs, const struct mac *mac)
{
	char text[MAC_TEXT_SIZE];

	if (mac_number(mac))
		json_array_append_new(macs, json_string(mac_format(mac, text)));
}

static json_t *stranger_json(
    struct services *services, const struct vm_snapshot *snapshot, const struct stranger *s)
{
	const struct shown *shown = &s->shown;
	struct declaration found;
	struct order_cards cards = {.count = 0};
	json_t *macs = json_array();

	for (int i = 0; i < STRANGER_MACS; i++) {
		add_mac(macs, &s->mac[i]);
		if (mac_number(&s->mac[i]))
			cards.mac[cards.count++] = s->mac[i];
	}
	declare_judge(snapshot, s, &found);
	declarer_excuse(&services->declarer, &found);
	json_t *json =
	    json_pack("{s:s, s:n, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
		      " s:o, s:o, s:o, s:I, s:o, s:o, s:n, s:n, s:s?, s:o, s:o}",
		"kind", "stranger", "name", "ignored", s->ignored, "macs", macs, "uuid",
		text_or_null(shown->uuid), "serial", text_or_null(shown->serial), "arch",
		text_or_null(shown->arch), "platform", text_or_null(shown->platform), "loader",
		text_or_null(shown->loader), "version", text_or_null(shown->version),
		"manufacturer", text_or_null(shown->manufacturer), "product",
		text_or_null(shown->product), "asset", text_or_null(shown->asset), "ip",
		ip_json(AF_INET, &s->ip), "ipv6", ip_json(AF_INET6, &s->ip6), "first_seen",
		time_json(s->first_seen_ms), "last_seen", time_json(s->last_seen_ms), "asked",
		(json_int_t)s->asked, "chosen", text_or_null(s->chosen), "chosen_at",
		time_json(s->chosen_at_ms), "state", "told", "profile", found.profile,
		"declares_as", text_or_null(found.name), "problem", text_or_null(found.problem));
	machine_now_put_stranger(services, &cards, json);
	return json;
}

/* As iPXE calls it: what its agent has seen, else what its definition says. */
static const char *platform_of(const struct vm *vm, const json_t *told)
{
	const char *type =
	    json_string_value(json_object_get(json_object_get(told, "firmware"), "type"));
	bool bios = type ? strcmp(type, "bios") == 0 : vm->firmware == VM_FIRMWARE_BIOS;

	return bios ? "pcbios" : "efi";
}

/* What its agent told, else null. */
static void put_told(json_t *json, const char *key, const json_t *part, const char *as)
{
	const char *text = json_string_value(json_object_get(part, as));
	char cut[SHOWN_TEXT_SIZE];

	if (!text || !json_is_null(json_object_get(json, key)))
		return;
	text_copy_clean(text, cut, sizeof(cut));
	json_object_set_new(json, key, json_string(cut));
}

static void put_inventory(
    struct services *services, const struct vm *vm, const struct machine_row *row, json_t *json)
{
	struct order_cards cards = {.mac = {row->nic, vm->mac}, .count = 2};
	json_t *told = machine_told(services, &cards);
	const json_t *system = json_object_get(told, "system");

	put_told(json, "uuid", system, "uuid");
	put_told(json, "serial", system, "serial");
	put_told(json, "manufacturer", system, "manufacturer");
	put_told(json, "product", system, "product");
	put_told(json, "asset", json_object_get(told, "board"), "asset");
	json_object_set_new(json, "platform", json_string(platform_of(vm, told)));
	json_decref(told);
}

/* The same members: what its definition says, and its agent. */
static json_t *declared_json(
    struct services *services, const struct vm_snapshot *snapshot, const struct vm *vm)
{
	_cleanup_machine_now_ struct machine_now now;
	struct machine_addresses known;
	json_t *macs = json_array();
	struct mac own;

	machine_now_find(services, snapshot, vm, &now);
	const struct machine_row *row = &now.row;
	state_addresses(services->state, &vm->mac, &known);
	struct in_addr ip = address_ip(vm, &known);
	struct in6_addr ip6 = address_ip6(vm, &known);
	add_mac(macs, &row->nic);
	if (address_mac(vm, row, &own) && !mac_equal(&own, &row->nic))
		add_mac(macs, &own);
	json_t *json = json_pack(
	    "{s:s, s:s, s:b, s:o, s:s?, s:s?, s:s, s:n, s:n, s:n, s:n, s:n, s:n, s:o,"
	    " s:o, s:n, s:o, s:n, s:n, s:n, s:o, s:O?, s:n, s:n}",
	    "kind", "declared", "name", vm->name, "ignored", false, "macs", macs, "uuid",
	    vm->uuid && *vm->uuid ? vm->uuid : NULL, "serial",
	    vm->serial && *vm->serial ? vm->serial : NULL, "arch", vm_arch_name(vm->arch),
	    "platform", "loader", "version", "manufacturer", "product", "asset", "ip",
	    ip_json(AF_INET, &ip), "ipv6", ip_json(AF_INET6, &ip6), "first_seen", "last_seen",
	    time_json(row->last_seen_ms), "asked", "chosen", "chosen_at", "told", told_json(row),
	    "profile", json_object_get(vm->more, "profile"), "declares_as", "problem");
	machine_now_put(&now, json);
	put_inventory(services, vm, row, json);
	return json;
}

json_t *machines_stranger(
    struct services *services, const struct vm_snapshot *snapshot, unsigned slot)
{
	struct stranger stranger;

	return strangers_at(state_strangers(services->state), slot, &stranger) &&
		       !services_declares(services, snapshot, &stranger)
		   ? stranger_json(services, snapshot, &stranger)
		   : NULL;
}

/* The declared ones, then place by place the others. */
static json_t *next_machine(struct listing *l)
{
	size_t declared = vm_snapshot_count(l->snapshot);

	if (l->next < declared)
		return declared_json(
		    l->services, l->snapshot, vm_snapshot_at(l->snapshot, l->next++));
	while (l->next < declared + STRANGERS_MAX) {
		unsigned slot = (unsigned)(l->next++ - declared);
		json_t *found = machines_stranger(l->services, l->snapshot, slot);
		if (found)
			return found;
	}
	return NULL;
}

static const struct listing_kind machines_kind = {.name = "machines", .next = next_machine};

int machines_list(const struct call *c, struct server_answer *a, struct err *e)
{
	return listing_answer(c, &machines_kind, a, e);
}

/* ---- orders ------------------------------------------------------------------------------ */

static const struct vm *declared_as(const struct vm_snapshot *snapshot, const char *id)
{
	char uuid[UUID_TEXT_SIZE];
	struct mac mac;

	if (mac_parse(id, strlen(id), &mac, NULL) == 0)
		return vm_snapshot_by_mac(snapshot, &mac);
	if (smbios_uuid_parse(id, uuid))
		return vm_snapshot_by_uuid(snapshot, uuid);
	return vm_snapshot_by_serial(snapshot, id);
}

/* What is refused is not done: there may have been room for the probe, and for no more. */
static int keep(struct state *state, const char *id, bool ignored_before, struct err *e)
{
	struct stranger again;
	struct err none = ERR_INIT;

	int r = state_save(state, e);
	if (r < 0 &&
	    strangers_ignore(state_strangers(state), id, ignored_before, &again, &none) < 0)
		log_warn("%s: and that could not be taken back: %s", id, none.msg);
	return r;
}

static int order(const struct call *c, bool ignore, struct server_answer *a, struct err *e)
{
	const char *id = c->request->route->machine;
	const struct vm *vm = declared_as(c->snapshot, id);
	struct stranger stranger, before;

	if (vm)
		return err_set(e, EBUSY,
		    "\"%s\" is %s, which has a definition: only machines without one are ignored",
		    id, vm->name);
	int r = state_probe(c->services->state, e);
	if (r == 0)
		r = strangers_find(state_strangers(c->services->state), id, &before, e);
	if (r == 0)
		r = strangers_ignore(state_strangers(c->services->state), id, ignore, &stranger, e);
	if (r == 0)
		r = keep(c->services->state, id, before.ignored, e);
	return r < 0 ? r : answer_json(a, stranger_json(c->services, c->snapshot, &stranger), e);
}

int machines_ignore(const struct call *c, struct server_answer *a, struct err *e)
{
	return order(c, true, a, e);
}

int machines_unignore(const struct call *c, struct server_answer *a, struct err *e)
{
	return order(c, false, a, e);
}
