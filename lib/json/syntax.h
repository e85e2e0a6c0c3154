/* syntax.h - inside of text.h: whether text is JSON (RFC 8259), and if not, what a person
 * did there and where: a comment, a trailing or missing comma, other quotes, another encoding.
 *
 * A parser says what it met; people need to hear what they did. So the text is walked before it is
 * parsed, and the first thing that is no JSON is named. No I/O, no state; safe in every thread.
 */
#ifndef LIB_JSON_SYNTAX_H
#define LIB_JSON_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* 0, or -EINVAL with *bad at the place to mend and one sentence. `text` starts behind a byte order
 * mark. Duplicate keys, numbers that are too large and \u0000 are the parser's to find. */
must_check int json_syntax_check(
    const char *text, size_t len, unsigned nesting_max, size_t *bad, struct err *e);

#endif
