#include "boot_handler/http/services.h"

#include "boot_handler/state/card.h"
#include "lib/base/clock.h"

const struct vm *services_vm_by_mac(
    const struct services *services, const struct vm_snapshot *snapshot, const struct mac *mac)
{
	const struct vm *vm = vm_snapshot_by_mac(snapshot, mac);
	struct mac declared;

	if (!vm && state_by_nic(services->state, mac, &declared))
		vm = vm_snapshot_by_mac(snapshot, &declared);
	return vm;
}

struct at {
	const struct vm_snapshot *snapshot;
	const struct vm *vm;
};

static bool is_at(void *ctx, const struct mac *mac)
{
	struct at *at = ctx;

	at->vm = vm_snapshot_by_mac(at->snapshot, mac);
	return at->vm != NULL;
}

const struct vm *services_vm_at(const struct services *services, const struct vm_snapshot *snapshot,
    const struct in6_addr *address)
{
	struct at at = {snapshot, vm_snapshot_declaring(snapshot, address)};

	if (!at.vm)
		(void)state_is_anothers(services->state, &(struct mac){0}, address, is_at, &at);
	return at.vm;
}

bool services_stranger_seen(struct services *services, const struct stranger_sight *sight)
{
	bool is_new = strangers_seen(state_strangers(services->state), sight);

	if (atomic_load(&services->declares) && !atomic_exchange(&services->declare_due, true))
		vm_store_wake(services->store);
	return is_new;
}

bool services_declares(const struct services *services, const struct vm_snapshot *snapshot,
    const struct stranger *stranger)
{
	for (int i = 0; i < STRANGER_MACS; i++)
		if (mac_number(&stranger->mac[i]) &&
		    services_vm_by_mac(services, snapshot, &stranger->mac[i]))
			return true;
	return (stranger->shown.uuid[0] && vm_snapshot_by_uuid(snapshot, stranger->shown.uuid)) ||
	       (stranger->shown.serial[0] &&
		   vm_snapshot_by_serial(snapshot, stranger->shown.serial));
}

bool services_may_be_its_card(
    struct services *services, const struct vm *vm, const struct mac *card)
{
	struct machine_addresses known;
	struct machine_row row;
	struct mac nic;

	bool learned = state_nic(services->state, &vm->mac, &nic);
	if (card && mac_equal(card, &nic))
		return true;
	if (!state_row(services->state, &vm->mac, &row))
		return true;
	/* Forgotten since. */
	if (vm->mac_made && !learned && !row.last_seen_ms)
		return true;
	state_addresses(services->state, &vm->mac, &known);
	return !card_is_there(row.state, row.last_seen_ms, &known, wall_ms());
}

/* The machine of a lease; NULL: a stranger's. A declared address is given to its machine only:
 * dnsmasq names no lease while DNS has that name with another address, and may know no MAC address
 * of an IPv6 client. */
static const struct vm *lessee(
    const struct services *services, const struct vm_snapshot *snapshot, const struct lease *lease)
{
	if (lease->has_mac)
		return services_vm_by_mac(services, snapshot, &lease->mac);
	/* dnsmasq gives names to declared machines only. */
	const struct vm *vm = lease->name[0] ? vm_snapshot_by_label(snapshot, lease->name) : NULL;
	return vm || !lease->six ? vm : vm_snapshot_declaring(snapshot, &lease->ip6);
}

bool services_take_lease(struct services *services, const struct lease *lease)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = lessee(services, snapshot, lease);
	char address[INET6_ADDRSTRLEN];

	state_source("dhcp", lease_ip_text(lease, address));
	if (vm)
		state_leased(services->state, vm, lease);
	state_source("", "");
	vm_snapshot_unref(snapshot);
	return vm;
}

static bool take_remembered(void *ctx, const struct lease *lease)
{
	return services_take_lease(ctx, lease);
}

void services_replay_leases(struct services *services)
{
	lease_memory_replay(&services->undeclared, take_remembered, services);
}

void services_learn_card(struct services *services, const struct vm *vm, const struct mac *card)
{
	if (state_asked_with(services->state, &vm->mac, vm->name, card))
		services_replay_leases(services);
}

static const char *owner_of(void *snapshot, const struct mac *card)
{
	const struct vm *vm = vm_snapshot_by_mac(snapshot, card);

	return vm ? vm->name : NULL;
}

void services_forget_cards(struct services *services)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);

	state_source("vms", "");
	state_forget_cards(services->state, owner_of, (void *)snapshot);
	vm_snapshot_unref(snapshot);
}

struct look {
	const struct services *services;
	const struct vm_snapshot *snapshot;
};

static bool is_declared(void *ctx, const struct stranger *stranger)
{
	const struct look *look = ctx;

	return services_declares(look->services, look->snapshot, stranger);
}

void services_forget_declared(struct services *services)
{
	struct look look = {services, vm_store_snapshot(services->store)};

	strangers_forget(state_strangers(services->state), is_declared, &look);
	vm_snapshot_unref(look.snapshot);
}
