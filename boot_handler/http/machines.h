/* machines.h - whoever boots from the network, declared or not: the operator's /api/v1/machines. */
#ifndef BOOT_HANDLER_HTTP_MACHINES_H
#define BOOT_HANDLER_HTTP_MACHINES_H

#include <jansson.h>

#include "boot_handler/http/call.h"

/* The one at that place of stranger.h, below STRANGERS_MAX: a new reference. NULL: nobody is there,
 * or who is there has a definition. */
json_t *machines_stranger(
    struct services *services, const struct vm_snapshot *snapshot, unsigned slot);

/* Handlers of rows in operator.c. */
int machines_list(const struct call *c, struct server_answer *a, struct err *e);
int machines_ignore(const struct call *c, struct server_answer *a, struct err *e);
int machines_unignore(const struct call *c, struct server_answer *a, struct err *e);

#endif
