/* logins.h - links that let a browser in, for who may give them: the operator's /api/v1/logins. */
#ifndef BOOT_HANDLER_HTTP_LOGINS_H
#define BOOT_HANDLER_HTTP_LOGINS_H

#include "boot_handler/http/call.h"

#define LOGINS_MAX_BYTES ((size_t)1024)

/* Handlers of rows in operator.c. */
int logins_invite(const struct call *c, struct server_answer *a, struct err *e);
int logins_end(const struct call *c, struct server_answer *a, struct err *e);

#endif
