/* size.h - amounts of bytes as people write and read them. Pure. */
#ifndef LIB_BASE_SIZE_H
#define LIB_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* Digits and an optional K, M, G, T (binary; "GiB" and "GB" mean the same). Returns 0 or -EINVAL.
 */
must_check int size_parse(const char *text, uint64_t *bytes);

/* Both write into buf of SIZE_TEXT_SIZE bytes and return it. */
#define SIZE_TEXT_SIZE 32
/* Always to the tenth, as in a plan: "148.0 MiB", "900 bytes". */
const char *size_text(uint64_t bytes, char *buf);
/* As short as it may be: "148 MiB", "1.5 GiB", "900 B". */
const char *size_text_short(uint64_t bytes, char *buf);

#endif
