/* events.h - what happened, as the operator asks for it: a page of it, or what comes live. */
#ifndef BOOT_HANDLER_HTTP_EVENTS_H
#define BOOT_HANDLER_HTTP_EVENTS_H

#include <jansson.h>

#include "boot_handler/http/call.h"
#include "boot_handler/state/event_query.h"

/* One event as the API has it; NULL without memory. */
json_t *event_json(const struct event *event);

/* What a parsed query asks for. What it has of the route is borrowed. */
must_check int events_query_of(const struct services *services, const struct vm_snapshot *snapshot,
    const struct route *route, struct event_query *out, struct err *e);
/* What the query of the request asks for. What it has of the route is borrowed. */
must_check int events_query(const struct call *c, struct event_query *out, struct err *e);

int events_list(const struct call *c, struct server_answer *a, struct err *e);
int events_stream(const struct call *c, struct server_answer *a, struct err *e);

#endif
