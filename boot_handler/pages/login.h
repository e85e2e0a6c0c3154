/* login.h - how a browser comes in and leaves. */
#ifndef BOOT_HANDLER_PAGES_LOGIN_H
#define BOOT_HANDLER_PAGES_LOGIN_H

#include "boot_handler/http/call.h"

/* Handlers of rows in pages.c. */
int login_in(const struct call *c, struct server_answer *a, struct err *e);
int login_out(const struct call *c, struct server_answer *a, struct err *e);

#endif
