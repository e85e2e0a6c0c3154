/* guest_unattended.h - inside of guest.h: the answers to another system's installer: the file by
 * which it asks nothing, and the script that it runs at its end; and which installer it is. */
#ifndef BOOT_HANDLER_HTTP_GUEST_UNATTENDED_H
#define BOOT_HANDLER_HTTP_GUEST_UNATTENDED_H

#include "boot_handler/http/call.h"
#include "lib/unattended/format.h"

int guest_unattended(const struct call *c, struct server_answer *a, struct err *e);
/* What cloud-init of an installer's system asks for below such an address: Ubuntu's takes its
 * autoinstall so. */
int guest_unattended_nocloud(const struct call *c, struct server_answer *a, struct err *e);
int guest_stage4(const struct call *c, struct server_answer *a, struct err *e);

/* Which installer's the machine's image is, by its manifest or its name; NULL with a sentence. */
const struct unattended_format *guest_installer(
    const struct services *services, const struct vm *vm, struct err *e);

#endif
