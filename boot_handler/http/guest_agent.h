/* guest_agent.h - what machines ask that run the agent. A machine acts for itself only: one with a
 * definition from an address of it, another for the card that it calls from. */
#ifndef BOOT_HANDLER_HTTP_GUEST_AGENT_H
#define BOOT_HANDLER_HTTP_GUEST_AGENT_H

#include "boot_handler/http/call.h"

int guest_register(const struct call *c, struct server_answer *a, struct err *e);
int guest_inventory(const struct call *c, struct server_answer *a, struct err *e);
int guest_poll(const struct call *c, struct server_answer *a, struct err *e);

#endif
