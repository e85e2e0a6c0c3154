/* machine_order.h - the operator's orders for the agent of a machine, declared or not. */
#ifndef BOOT_HANDLER_HTTP_MACHINE_ORDER_H
#define BOOT_HANDLER_HTTP_MACHINE_ORDER_H

#include <jansson.h>

#include "boot_handler/http/call.h"
#include "boot_handler/http/machine.h"

#define MACHINE_ORDER_MAX_BYTES ((size_t)256 * 1024)

/* An order as lists of machines tell it: without arguments and figures. A new reference. */
json_t *machine_order_brief(const struct order *order);

/* Why an open one is not begun with, or says nothing more; false: its agent is there. */
#define MACHINE_ORDER_WAITS_SIZE 400
bool machine_order_waits(const struct call *c, const struct machine_named *named,
    const struct order *o, char *text, size_t size);

/* Those of the machine, the newest first: a new reference; NULL: out of memory. */
json_t *machine_orders_list(const struct call *c, const struct machine_named *named);

/* Orders what `said` says, as lib/order/order_read.h takes it; the answer is what became of it. */
must_check int machine_orders_give(const struct call *c, const struct machine_named *named,
    const json_t *said, struct server_answer *a, struct err *e);

/* Of the machine and the order that the path names; the answer is that order. */
must_check int machine_order_cancel(const struct call *c, struct server_answer *a, struct err *e);

/* Handlers of rows in operator.c. */
int machine_orders(const struct call *c, struct server_answer *a, struct err *e);
int machine_order(const struct call *c, struct server_answer *a, struct err *e);
int machine_order_output(const struct call *c, struct server_answer *a, struct err *e);
int machine_order_resume(const struct call *c, struct server_answer *a, struct err *e);

#endif
