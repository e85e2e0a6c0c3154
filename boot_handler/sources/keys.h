/* keys.h - the operator's authorized_keys file (lib/net/ssh_key.h). */
#ifndef BOOT_HANDLER_SOURCES_KEYS_H
#define BOOT_HANDLER_SOURCES_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

struct keys;

/* `path` NULL or a file that does not exist: no keys. */
must_check int keys_new(const char *path, struct keys **out, struct err *e);
void keys_free(struct keys *k);

/* The file's valid keys as a JSON array of strings, read again when the file changed; a line that
 * is no key is skipped with a warning in the log. New reference; any thread. */
json_t *keys_get(struct keys *k);

/* Calls problem() for each line that is no key. Returns the number of problems, or -errno. */
must_check int keys_check(const char *path, void (*problem)(void *ctx, int line, const char *text),
    void *ctx, struct err *e);

#endif
