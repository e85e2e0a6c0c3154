/* explain.h - how far a machine has come on its way from definition to ready, the first link that
 * is broken, and what to do about it. Pure: facts in, JSON or text out, for the server, the command
 * line and tests alike.
 */
#ifndef LIB_EXPLAIN_EXPLAIN_H
#define LIB_EXPLAIN_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

#include "lib/explain/rule.h"

/* The first link that is broken; NULL: none is. */
const struct explain_rule *explain_broken(const struct explain_facts *f);

/* {"name","ok","where","broken","also","links","facts"}; a new reference.
 * "where": a sentence of where the machine is now.
 * "broken": null, or {"rule","link","sentence","hint","evidence":[{"sign","at","from","text"}]}.
 * "also": what is broken further on, the same.
 * "links": [{"link","state","at","text"}], the whole chain but for orders; "state": "ok", "broken"
 * or "open". "facts": what explain_facts_take() reads. */
json_t *explain_json(const struct explain_facts *f);

/* Of such a document, for people: the broken link with its evidence and hint, or where the machine
 * is; with `chain` all links, too. */
void explain_print(FILE *out, const json_t *explained, bool chain);

#endif
