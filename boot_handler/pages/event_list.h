/* event_list.h - what happened, as pages need it: events as the API has them. New references. */
#ifndef BOOT_HANDLER_PAGES_EVENT_LIST_H
#define BOOT_HANDLER_PAGES_EVENT_LIST_H

#include <jansson.h>

#include "boot_handler/http/machine.h"

#define EVENT_LIST_MAX 1000

/* The newest of a machine, of all its cards, oldest first; `all`: each step, too. NULL with a
 * sentence. */
json_t *event_list(
    const struct call *c, const struct machine_named *named, bool all, struct err *e);

/* {machine: its last event that says something, steps not counted}, of those since this program
 * started and some before. Each event is read once; any thread. */
json_t *event_list_last(const struct call *c);

#endif
