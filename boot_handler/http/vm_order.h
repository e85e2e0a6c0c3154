/* vm_order.h - what the operator orders of a declared machine that needs no agent: what its next
 * boots do. Each returns 0, or -EBUSY with the sentence; state_save() before anyone is told of it.
 */
#ifndef BOOT_HANDLER_HTTP_VM_ORDER_H
#define BOOT_HANDLER_HTTP_VM_ORDER_H

#include "boot_handler/http/services.h"

/* It is installed at its next network boot. */
must_check int vm_order_reinstall(struct services *services, const struct vm *vm, struct err *e);
/* It boots from its disk. */
must_check int vm_order_local(struct services *services, const struct vm *vm, struct err *e);
must_check int vm_order_netboot_off(struct services *services, const struct vm *vm, struct err *e);
must_check int vm_order_netboot_on(struct services *services, const struct vm *vm, struct err *e);

#endif
