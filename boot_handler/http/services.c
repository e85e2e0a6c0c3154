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
