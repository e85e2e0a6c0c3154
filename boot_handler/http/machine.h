/* machine.h - one machine, declared or not, as the operator names it: its inventories, and orders
 * for the agent that it runs. */
#ifndef BOOT_HANDLER_HTTP_MACHINE_H
#define BOOT_HANDLER_HTTP_MACHINE_H

#include "boot_handler/http/call.h"

#define MACHINE_ORDER_MAX_BYTES 4096

int machine_inventory(const struct call *c, struct server_answer *a, struct err *e);
int machine_orders(const struct call *c, struct server_answer *a, struct err *e);

#endif
