/* machines.h - whoever boots from the network, declared or not: the operator's /api/v1/machines. */
#ifndef BOOT_HANDLER_HTTP_MACHINES_H
#define BOOT_HANDLER_HTTP_MACHINES_H

#include "boot_handler/http/call.h"

/* Handlers of rows in operator.c. */
int machines_list(const struct call *c, struct server_answer *a, struct err *e);
int machines_ignore(const struct call *c, struct server_answer *a, struct err *e);
int machines_unignore(const struct call *c, struct server_answer *a, struct err *e);

#endif
