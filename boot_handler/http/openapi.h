/* openapi.h - what can be asked of a listener as a document of OpenAPI 3.0.3, made of its table.
 * Pure but for the answer. What a body holds it leaves open: README.md and vms/README.md tell.
 */
#ifndef BOOT_HANDLER_HTTP_OPENAPI_H
#define BOOT_HANDLER_HTTP_OPENAPI_H

#include <jansson.h>

#include "boot_handler/http/call.h"

/* A new reference; NULL without memory. */
json_t *openapi_json(const struct endpoint_table *table);

/* The endpoint: of the table that it is in. */
int openapi_answer(const struct call *c, struct server_answer *a, struct err *e);

#endif
