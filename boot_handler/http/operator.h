/* operator.h - answers to the operator: /healthz, /readyz and /api/v1. */
#ifndef BOOT_HANDLER_HTTP_OPERATOR_H
#define BOOT_HANDLER_HTTP_OPERATOR_H

#include "boot_handler/http/server.h"

/* A server_options.handle; ctx is a struct services. */
void operator_handle(void *services, const struct server_request *request, struct server_answer *a);

#endif
