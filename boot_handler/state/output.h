/* output.h - what orders wrote, as it came: of each the first OUTPUT_FIRST_BYTES and the last
 * OUTPUT_LAST_BYTES, a file each in a folder of their own.
 *
 * All together take OUTPUTS_BYTES_MAX at most: then those of the oldest orders go first. Nothing is
 * flushed to disk before it is answered. All functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_OUTPUT_H
#define BOOT_HANDLER_STATE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define OUTPUT_FIRST_BYTES ((uint64_t)256 * 1024)
#define OUTPUT_LAST_BYTES ((uint64_t)768 * 1024)
#define OUTPUT_PIECE_MAX ((size_t)64 * 1024)
#define OUTPUTS_BYTES_MAX ((uint64_t)100 * 1024 * 1024)

struct outputs;

/* The folder is made when it is needed. What is in it is taken over. */
must_check int outputs_new(
    const char *folder, uint64_t bytes_max, struct outputs **out, struct err *e);
void outputs_free(struct outputs *t); /* NULL is allowed */

/* Bytes from `at` on. What is there already is left as it is. */
must_check int outputs_take(
    struct outputs *t, int64_t order, uint64_t at, const void *bytes, size_t len, struct err *e);
/* All that is kept, with a line in the place of what is not; the caller frees it. *len 0, *out
 * NULL: there is none. */
must_check int outputs_read(
    struct outputs *t, int64_t order, char **out, size_t *len, struct err *e);
/* It begins anew. */
void outputs_drop(struct outputs *t, int64_t order);

#endif
