/* yaml_glance.h - what can be said for certain of a YAML text without parsing it as a whole. Pure.
 *
 * For user-data of the user's own: whether cloud-init gets a mapping from it, and which top-level
 * keys that has. Says "broken" only of what every YAML parser refuses; what it does not know it
 * takes for good. Specification: YAML 1.1, as PyYAML reads it.
 */
#ifndef LIB_DEFINITION_YAML_GLANCE_H
#define LIB_DEFINITION_YAML_GLANCE_H

#include <stdbool.h>
#include <stddef.h>

enum yaml_kind {
	YAML_EMPTY, /* comments at most */
	YAML_MAPPING,
	YAML_LIST,
	YAML_SCALAR,
	YAML_BROKEN, /* why, on which line */
	YAML_UNSURE,
};

#define YAML_KEYS_MAX 64

/* A top-level member: its value is all the text up to the next one. Borrowed from the text. */
struct yaml_key {
	const char *name, *value;
	size_t name_len, value_len;
};

struct yaml_glance {
	enum yaml_kind kind;
	int line; /* from 1 */
	const char *why;
	size_t key_count; /* of a mapping in block style */
	struct yaml_key keys[YAML_KEYS_MAX];
};

void yaml_glance(const char *text, struct yaml_glance *out);

/* NULL when there is no such key. */
const struct yaml_key *yaml_glance_key(const struct yaml_glance *glance, const char *name);

#endif
