/* guest_boot.h - what a machine boots: /ipxe and /grub, the same answer in the language of either.
 */
#ifndef BOOT_HANDLER_HTTP_GUEST_BOOT_H
#define BOOT_HANDLER_HTTP_GUEST_BOOT_H

#include "boot_handler/http/call.h"

int guest_ipxe(const struct call *c, struct server_answer *a, struct err *e);
int guest_grub(const struct call *c, struct server_answer *a, struct err *e);

#endif
