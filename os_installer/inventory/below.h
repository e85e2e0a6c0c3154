/* below.h - small files of the kernel's, and what they say as JSON. Each path begins with the root
 * folder it is below: "" for this machine's own, a test's for a made tree.
 *
 * Whoever made the hardware, or steers it, wrote what is in them: texts are one line, bounded and
 * cleaned (lib/base/text.h), and nothing is an error. What is not there is "" or null.
 */
#ifndef OS_INSTALLER_INVENTORY_BELOW_H
#define OS_INSTALLER_INVENTORY_BELOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BELOW_TEXT_SIZE 128

#define below_path(n) __attribute__((format(printf, n, (n) + 1)))

/* The file's first `size` bytes. Returns their count, or -1: it cannot be read. */
ssize_t below_bytes(void *buf, size_t size, const char *fmt, ...) below_path(3);
/* Without blanks at its ends; returns buf. */
const char *below_text(char *buf, size_t size, const char *fmt, ...) below_path(3);
/* The last part of where a link leads; returns buf. */
const char *below_link(char *buf, size_t size, const char *fmt, ...) below_path(3);
/* A whole number, as strtoll(3) has it with `base`. */
bool below_number(long long *out, int base, const char *fmt, ...) below_path(3);

/* Calls `take` for each entry of a folder but those with a dot first, "eth2" before "eth10", until
 * `max` were taken: it says whether it took this one. */
void below_each(const char *folder, size_t max,
    bool (*take)(void *ctx, const char *folder, const char *name), void *ctx);

/* Text that may hold anything up to its NUL: cleaned, without blanks at its ends, in place. */
void below_clean(char *text);

/* New references; "" is null. */
json_t *below_json(const char *text);
/* What a file says, or null. */
json_t *below_json_text(const char *fmt, ...) below_path(1);

#endif
