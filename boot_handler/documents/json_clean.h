/* json_clean.h - JSON that a machine sent and that is kept as it is: no text of it steers a
 * terminal. Pure. */
#ifndef BOOT_HANDLER_DOCUMENTS_JSON_CLEAN_H
#define BOOT_HANDLER_DOCUMENTS_JSON_CLEAN_H

#include <jansson.h>

#include "lib/base/err.h"

#define JSON_CLEAN_DEPTH_MAX 12

/* Cleans its texts in place. -EINVAL with a sentence that goes on after "...: it": nested too
 * deeply, or a name is none. */
must_check int json_clean(json_t *value, struct err *e);

#endif
