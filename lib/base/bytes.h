/* bytes.h - bytes as hexadecimal text, and blocks of nothing but zeros. */
#ifndef LIB_BASE_BYTES_H
#define LIB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* True for `len` (not 0) zero bytes. */
static inline bool bytes_are_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* The byte that two hexadecimal digits of either case say, or -1. Reads no digit behind a bad one.
 */
int hex_byte(const char *two);

/* Writes 2 * len digits in lower case and a NUL into buf; returns it. */
char *hex_encode(const void *data, size_t len, char *buf);

/* Reads exactly 2 * len digits of either case. False when `text` is anything else. */
bool hex_decode(const char *text, void *out, size_t len);

#define UUID_TEXT_SIZE 37 /* with its NUL */

/* Makes random or hashed bytes a UUID of that version (RFC 9562). */
void uuid_mark(uint8_t uuid[16], unsigned version);

/* Lower case; returns buf. */
char *uuid_format(const uint8_t uuid[16], char buf[UUID_TEXT_SIZE]);

#endif
