/* consoles.h - who looks at serial consoles, as server-sent events (the HTML standard, 9.2). At
 *most CONSOLES_MAX look, none with a thread of its own.
 *
 *	id: 70312
 *	data: bG9naW46IA==
 *
 * is what was printed, in base64; the id is how many bytes that makes of all that were ever
 * printed. Who comes again with the id that it had last gets what follows. A stream begins
 * with the last CONSOLE_REPLAY_BYTES. "event: gap" tells how many bytes were left out for somebody
 * who reads more slowly than the machine prints, "event: begin" that the log was begun anew.
 */
#ifndef BOOT_HANDLER_HTTP_CONSOLES_H
#define BOOT_HANDLER_HTTP_CONSOLES_H

#include "boot_handler/http/server.h"
#include "boot_handler/sources/console.h"

#define CONSOLES_MAX 64
#define CONSOLE_REPLAY_BYTES ((size_t)64 * 1024)
#define CONSOLE_BEHIND_BYTES ((size_t)256 * 1024) /* more is left out */
#define CONSOLES_EVERY_MS 40
#define CONSOLES_KEEPALIVE_MS 15000

struct consoles;

/* `root` is borrowed; see struct console_of. Who was told nothing for `keepalive_ms` gets an empty
 * comment. */
must_check int consoles_new(
    const char *root, int64_t keepalive_ms, struct consoles **out, struct err *e);
/* After this nobody sleeps: to be called before server_stop(). NULL is allowed. */
void consoles_stop(struct consoles *c);
/* After server_stop(). NULL is allowed. */
void consoles_free(struct consoles *c);

const char *consoles_root(const struct consoles *c); /* NULL: nowhere, or no consoles */

/* Answers with a stream of what is printed; `after`: an id, or NULL. -ENOENT: its console is not
 * here; -ENOSPC: too many look. */
must_check int consoles_answer(struct consoles *c, const struct console_of *of,
    const uint64_t *after, struct server_answer *a, struct err *e);

#endif
