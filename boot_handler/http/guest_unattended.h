/* guest_unattended.h - inside of guest.h: the answers to another system's installer: the file by
 * which it asks nothing, and the script that it runs at its end. */
#ifndef BOOT_HANDLER_HTTP_GUEST_UNATTENDED_H
#define BOOT_HANDLER_HTTP_GUEST_UNATTENDED_H

#include "boot_handler/http/call.h"

int guest_unattended(const struct call *c, struct server_answer *a, struct err *e);
int guest_stage4(const struct call *c, struct server_answer *a, struct err *e);

#endif
