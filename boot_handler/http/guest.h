/* guest.h - answers to the machines: /ipxe, /config, /cloud-init, /report. */
#ifndef BOOT_HANDLER_HTTP_GUEST_H
#define BOOT_HANDLER_HTTP_GUEST_H

#include "boot_handler/http/server.h"

/* A server_options.handle; ctx is a struct services. */
void guest_handle(void *services, const struct server_request *request, struct server_answer *a);

/* A server_options.expect: among very many machines the one that asks is seldom in the processor's
 * caches, and fetching it from memory takes as long as parsing the headers. */
void guest_expect(void *services, const struct route *route);

#endif
