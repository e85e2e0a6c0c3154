/* machine_order.h - the operator's orders for the agent of a machine, declared or not. */
#ifndef BOOT_HANDLER_HTTP_MACHINE_ORDER_H
#define BOOT_HANDLER_HTTP_MACHINE_ORDER_H

#include "boot_handler/http/call.h"

#define MACHINE_ORDER_MAX_BYTES ((size_t)256 * 1024)

/* Handlers of rows in operator.c. */
int machine_orders(const struct call *c, struct server_answer *a, struct err *e);
int machine_order(const struct call *c, struct server_answer *a, struct err *e);
int machine_order_resume(const struct call *c, struct server_answer *a, struct err *e);

#endif
