/* operator.h - answers to the operator: /healthz, /readyz and /api/v1. */
#ifndef BOOT_HANDLER_HTTP_OPERATOR_H
#define BOOT_HANDLER_HTTP_OPERATOR_H

#include "boot_handler/http/endpoint.h"

extern const struct endpoint_table operator_endpoints;

#endif
