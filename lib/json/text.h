/* text.h - JSON text from people: parsed strictly, and every value's place in it found again.
 *
 * jansson does the parsing; it tells a position only for syntax errors. This module adds what a
 * person needs to find the spot: the offset of each refusal, and of any value once it has parsed.
 * Offsets are bytes from the start of the text. No I/O, no state; safe in every thread.
 */
#ifndef LIB_JSON_TEXT_H
#define LIB_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

#define JSON_PATH_STEPS_MAX 40

/* The way from the root to a value: object keys (borrowed) and array indexes (key NULL). */
struct json_path {
	struct {
		const char *key;
		size_t index;
	} step[JSON_PATH_STEPS_MAX];
	unsigned depth;
};

/* Parses an object, RFC 8259, and refuses what a definition never needs: a NUL, duplicate keys,
 * nesting deeper than nesting_max. A byte order mark in front is skipped. Returns a new reference,
 * or NULL with *bad at the offending byte and one sentence in e. */
json_t *json_text_parse(
    const char *text, size_t len, unsigned nesting_max, size_t *bad, struct err *e);

/* Finds the value at `path`, or with `key` the member's key, in text that json_text_parse()
 * accepted. False when it is not there. */
bool json_text_find(
    const char *text, size_t len, const struct json_path *path, bool key, size_t *offset);

/* Line and column, from 1; columns count characters, not bytes. */
void json_text_position(const char *text, size_t offset, int *line, int *column);

/* Writes "disks[0].size" for a message; cut when it does not fit. Returns buf. */
const char *json_path_format(const struct json_path *path, char *buf, size_t size);

#endif
