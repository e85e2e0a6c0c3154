/* console.h - the endpoints of machines' serial consoles: what was printed, as it is printed, and
 * typing.
 */
#ifndef BOOT_HANDLER_HTTP_CONSOLE_H
#define BOOT_HANDLER_HTTP_CONSOLE_H

#include <jansson.h>

#include "boot_handler/http/call.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/sources/console.h"

#define CONSOLE_TYPED_MAX_BYTES ((size_t)16 * 1024) /* of the JSON */

struct console_of console_of_machine(const struct call *c, const struct machine_named *named);

/* The last CONSOLE_REPLAY_BYTES that it printed, malloc'ed; NULL: nothing yet, or no memory. */
char *console_last(const struct console_of *of, size_t *len);

/* What the body of one who types says: *keys, of *len bytes and with any of them, is *said's, which
 * the caller unreferences in any case. -EINVAL */
must_check int console_keys_read(const char *body, size_t body_len, json_t **said,
    const char **keys, size_t *len, struct err *e);

int console_printed_answer(const struct call *c, struct server_answer *a, struct err *e);
int console_stream(const struct call *c, struct server_answer *a, struct err *e);
int console_keys(const struct call *c, struct server_answer *a, struct err *e);

#endif
