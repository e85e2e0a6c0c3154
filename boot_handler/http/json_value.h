/* json_value.h - values of the operator's API: null where there is none. New references. */
#ifndef BOOT_HANDLER_HTTP_JSON_VALUE_H
#define BOOT_HANDLER_HTTP_JSON_VALUE_H

#include <jansson.h>
#include <stdint.h>

#include "boot_handler/http/server.h"
#include "lib/base/err.h"
#include "lib/machine/machine.h"

#define JSON_TYPE "application/json"

json_t *time_json(int64_t at_ms);
json_t *text_or_null(const char *text);
/* What it was told to boot last: a mode's name, or why it waits. Null where that is not known, or
 * of before its state was another. */
json_t *told_json(const struct machine_row *row);
/* All zero is none. */
json_t *ip_json(int family, const void *ip);

/* Takes over `json`. */
must_check int answer_json(struct server_answer *a, json_t *json, struct err *e);

#endif
