#include "boot_handler/http/services.h"

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
