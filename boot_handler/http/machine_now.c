#include "boot_handler/http/machine_now.h"

#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine_order.h"
#include "boot_handler/http/ordered_boot.h"
#include "lib/base/clock.h"

static struct order_cards cards_of(const struct vm *vm, const struct machine_row *row)
{
	struct order_cards cards = {.mac = {vm->mac}, .count = 1};

	if (mac_number(&row->nic))
		cards.mac[cards.count++] = row->nic;
	return cards;
}

void machine_now_find(struct services *services, const struct vm_snapshot *snapshot,
    const struct vm *vm, struct machine_now *out)
{
	struct orders *orders = state_orders(services->state);
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	struct boot_facts ordered = {.vm = vm};
	char agent_image[IMAGE_NAME_SIZE];
	struct image_facts image;
	int64_t now_ms = wall_ms();

	*out = (struct machine_now){.has_order = false};
	state_row(services->state, &vm->mac, &out->row);
	const struct order_cards cards = cards_of(vm, &out->row);
	out->has_order = orders_current(orders, &cards, &out->order);
	out->agent_since_ms = orders_heard(orders, &cards, now_ms);
	images_facts(services->images, boot_image_name(vm), vm->arch, boot_image_use(vm), &image);
	bool lacks = own_kernel_missing(services->images_dir, vm, gaps) > 0;
	bool begun = out->has_order && out->order.state == ORDER_RUNNING;
	outlook_make(
	    &(struct outlook_facts){.vm = vm,
		.row = &out->row,
		.image = &image,
		.limits = &services->limits,
		.now_ms = now_ms,
		.own = lacks ? gaps : NULL,
		.noreboot = vm_snapshot_noreboot(snapshot, vm),
		.due = ordered_boot_find(services, snapshot, &cards, &ordered, agent_image),
		.agent_since_ms = out->agent_since_ms,
		.order_begun = begun,
		.order_installs = begun && order_row(out->order.action)->installs},
	    &out->look);
}

static json_t *agent_json(const char *is, int64_t since_ms)
{
	return is ? json_pack("{s:s, s:o}", "is", is, "since", time_json(since_ms)) : json_null();
}

/* What is known of its agent; NULL: it has none. */
static const char *agent_is(const struct machine_now *now)
{
	if (now->agent_since_ms)
		return "there";
	if (strcmp(now->look.state, "agent") != 0)
		return NULL;
	return now->look.starts_agent ? "starting" : "silent";
}

void machine_now_put(const struct machine_now *now, json_t *json)
{
	const struct outlook *look = &now->look;
	bool agent = strcmp(look->state, "agent") == 0;

	json_object_set_new(json, "state", json_string(look->state));
	json_object_set_new(json, "recorded", json_string(machine_state_name(now->row.state)));
	json_object_set_new(
	    json, "changed_at", time_json(agent ? look->since_ms : now->row.changed_at_ms));
	json_object_set_new(
	    json, "agent", agent_json(agent_is(now), agent ? look->since_ms : now->agent_since_ms));
	json_object_set_new(
	    json, "order", now->has_order ? machine_order_brief(&now->order) : json_null());
}

void machine_now_put_stranger(
    struct services *services, const struct order_cards *cards, json_t *json)
{
	struct orders *orders = state_orders(services->state);
	_cleanup_order_ struct order order = {0};
	bool ordered = orders_current(orders, cards, &order);
	int64_t since_ms = orders_heard(orders, cards, wall_ms());

	json_object_set_new(json, "agent", agent_json(since_ms ? "there" : NULL, since_ms));
	json_object_set_new(json, "order", ordered ? machine_order_brief(&order) : json_null());
}
