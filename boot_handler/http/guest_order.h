/* guest_order.h - what the agent of a machine tells of an order that it was given. */
#ifndef BOOT_HANDLER_HTTP_GUEST_ORDER_H
#define BOOT_HANDLER_HTTP_GUEST_ORDER_H

#include "boot_handler/http/call.h"

/* It is handed out to the agent of that machine; `vm` NULL: no definition has it. */
void guest_order_begins(const struct call *c, const struct vm *vm, const struct order *order);

/* Handlers of rows in guest.c. */
int guest_order_progress(const struct call *c, struct server_answer *a, struct err *e);
int guest_order_output(const struct call *c, struct server_answer *a, struct err *e);
int guest_order_done(const struct call *c, struct server_answer *a, struct err *e);

#endif
