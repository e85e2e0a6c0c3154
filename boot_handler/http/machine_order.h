/* machine_order.h - the operator's orders for the agent of a machine, declared or not. */
#ifndef BOOT_HANDLER_HTTP_MACHINE_ORDER_H
#define BOOT_HANDLER_HTTP_MACHINE_ORDER_H

#include <jansson.h>

#include "boot_handler/http/call.h"

#define MACHINE_ORDER_MAX_BYTES ((size_t)256 * 1024)

/* What its agent does, or will do next; null: nothing. A new reference. */
json_t *machine_order_current(
    struct services *services, const struct vm *vm, const struct machine_row *row);

/* Handlers of rows in operator.c. */
int machine_orders(const struct call *c, struct server_answer *a, struct err *e);
int machine_order(const struct call *c, struct server_answer *a, struct err *e);
int machine_order_output(const struct call *c, struct server_answer *a, struct err *e);
int machine_order_resume(const struct call *c, struct server_answer *a, struct err *e);

#endif
