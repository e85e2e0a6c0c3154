/* vm_json.h - a declared machine as the operator's API tells it, and what is wrong with
 * definitions: for the API and for the pages, which say the same. */
#ifndef BOOT_HANDLER_HTTP_VM_JSON_H
#define BOOT_HANDLER_HTTP_VM_JSON_H

#include <jansson.h>

#include "boot_handler/http/services.h"

/* What is recorded of it, and what it means now: a new reference. */
json_t *vm_json(struct services *services, const struct vm_snapshot *snapshot, const struct vm *vm);

/* Of all files, and of addresses that are not as declared: a list, a new reference. */
json_t *vm_problems_json(struct state *state, const struct vm_snapshot *snapshot);

#endif
