/* vm_order.h - what the operator orders of a declared machine that needs no agent: what its next
 * boots do. Each is carried out by vm_order(): 0, or -EBUSY with the sentence. */
#ifndef BOOT_HANDLER_HTTP_VM_ORDER_H
#define BOOT_HANDLER_HTTP_VM_ORDER_H

#include "boot_handler/http/services.h"

/* It is installed at its next network boot. */
must_check int vm_order_reinstall(struct services *services, const struct vm *vm, struct err *e);
/* It boots from its disk. */
must_check int vm_order_local(struct services *services, const struct vm *vm, struct err *e);
must_check int vm_order_netboot_off(struct services *services, const struct vm *vm, struct err *e);
must_check int vm_order_netboot_on(struct services *services, const struct vm *vm, struct err *e);

typedef int vm_order_kind(struct services *services, const struct vm *vm, struct err *e);

/* One of those above, on disk when it returns. Where the state file cannot be written it is
 * refused, and not done. */
must_check int vm_order(
    struct services *services, const struct vm *vm, vm_order_kind *kind, struct err *e);

#endif
