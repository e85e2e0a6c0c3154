/* explain.h - what the server knows of one machine, declared or not, as the facts by which
 * lib/explain/ finds the broken link. */
#ifndef BOOT_HANDLER_HTTP_EXPLAIN_H
#define BOOT_HANDLER_HTTP_EXPLAIN_H

#include "boot_handler/http/call.h"
#include "boot_handler/http/machine.h"
#include "lib/explain/explain.h"

/* explain_json() of the machine: a new reference, or NULL with the sentence. */
json_t *machine_explained(const struct call *c, const struct machine_named *named, struct err *e);

/* The handler of its row in operator.c. A name whose definition was never usable is explained, too.
 */
int explain(const struct call *c, struct server_answer *a, struct err *e);

#endif
