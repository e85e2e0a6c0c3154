/* match.h - which profile a machine without a definition fits, by what it showed, and what it would
 * be called. Pure.
 */
#ifndef LIB_DEFINITION_MATCH_H
#define LIB_DEFINITION_MATCH_H

#include <jansson.h>

#include "lib/json/read.h"
#include "lib/definition/vm.h"

/* What a machine showed. NULL or 0: it did not. */
struct match_facts {
	const char *serial, *uuid, *mac, *product, *manufacturer;
	const char *arch; /* vm_arch_name() */
	uint64_t memory_bytes;
	uint64_t disk_bytes; /* its largest */
};

/* Reads a profile's "match"; all that is wrong is told. */
int match_read(struct json_reader *r, json_t *value);

/* Whether a profile's "match", which match_read() accepted, holds. */
bool match_fits(const json_t *match, const struct match_facts *facts);

/* The one of these profiles (name to object) that fits, borrowed. NULL with a sentence: none does
 * (-ENOENT in e), or several do, which it names (-ENOTUNIQ). */
const char *match_choose(const json_t *profiles, const struct match_facts *facts, struct err *e);

/* Whether a profile's "name" can tell machines apart; the sentence goes on after the field. */
must_check int match_name_check(const char *pattern, struct err *e);

/* What a machine is called by a profile's "name": a label (vm_label_valid()), or -EINVAL when what
 * the pattern asks for was not shown, or makes none. */
must_check int match_name(
    const char *pattern, const struct match_facts *facts, char name[VM_LABEL_SIZE], struct err *e);

#endif
