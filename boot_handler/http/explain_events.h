/* explain_events.h - inside of explain.h: what the machine's events tell. */
#ifndef BOOT_HANDLER_HTTP_EXPLAIN_EVENTS_H
#define BOOT_HANDLER_HTTP_EXPLAIN_EVENTS_H

#include "lib/explain/sign.h"
#include "lib/machine/event.h"

/* Takes the next event; oldest first. */
void explain_event(struct explain_facts *f, const struct event *event);

#endif
