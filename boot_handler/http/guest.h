/* guest.h - answers to the machines: /ipxe, /config, /cloud-init, /report. */
#ifndef BOOT_HANDLER_HTTP_GUEST_H
#define BOOT_HANDLER_HTTP_GUEST_H

#include "boot_handler/http/server.h"

/* A server_options.handle; ctx is a struct services. */
void guest_handle(void *services, const struct server_request *request, struct server_answer *a);

#endif
