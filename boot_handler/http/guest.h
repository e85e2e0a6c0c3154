/* guest.h - answers to the machines: /ipxe, /config, /cloud-init, /report. */
#ifndef BOOT_HANDLER_HTTP_GUEST_H
#define BOOT_HANDLER_HTTP_GUEST_H

#include "boot_handler/http/endpoint.h"

extern const struct endpoint_table guest_endpoints;

#endif
