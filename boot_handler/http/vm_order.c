#include "boot_handler/http/vm_order.h"

#include <errno.h>
#include <stdio.h>

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
	struct machine_row before;

	int r = state_probe(services->state, e);
	(void)state_row(services->state, &vm->mac, &before);
	snprintf(before.name, sizeof(before.name), "%s", vm->name);
	if (r == 0)
		r = kind(services, vm, e);
	if (r < 0)
		return r;
	r = state_save(services->state, e);
	if (r < 0) /* there was room for the probe, and for no more */
		state_put_back(services->state, &before);
	return r;
}
