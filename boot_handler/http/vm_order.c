#include "boot_handler/http/vm_order.h"

#include <errno.h>

#include "lib/boot/boot.h"

int vm_order_local(struct services *services, const struct vm *vm, struct err *e)
{
	(void)e;
	state_local(services->state, &vm->mac, vm->name);
	return 0;
}

int vm_order_reinstall(struct services *services, const struct vm *vm, struct err *e)
{
	char said[BOOT_MODE_SAID_SIZE];

	if (!boot_may_install(vm))
		return err_set(e, EBUSY,
		    "%s is not installed by this lab: its definition says %s; change that first",
		    vm->name, boot_mode_said(vm, said));
	if (state_life(services->state, &vm->mac).netboot_off)
		return err_set(e, EBUSY,
		    "network boot of %s is off, and it could not be installed: vmlab netboot %s on first",
		    vm->name, vm->name);
	state_reinstall(services->state, &vm->mac, vm->name);
	return 0;
}

int vm_order_netboot_off(struct services *services, const struct vm *vm, struct err *e)
{
	(void)e;
	state_netboot(services->state, &vm->mac, vm->name, false);
	return 0;
}

int vm_order_netboot_on(struct services *services, const struct vm *vm, struct err *e)
{
	(void)e;
	state_netboot(services->state, &vm->mac, vm->name, true);
	return 0;
}

int vm_order(struct services *services, const struct vm *vm, vm_order_kind *kind, struct err *e)
{
	int r = state_probe(services->state, e);

	if (r == 0)
		r = kind(services, vm, e);
	return r < 0 ? r : state_save(services->state, e);
}
