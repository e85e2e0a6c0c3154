/* rule.h - the links of the chain from definition to ready, and the rules by which one is known to
 * be broken: a row a rule, in the order of the chain. Pure.
 *
 * A new rule is a row of the table in rule.c and its case in test_explain.c, which asks for one.
 */
#ifndef LIB_EXPLAIN_RULE_H
#define LIB_EXPLAIN_RULE_H

#include "lib/explain/sign.h"

/* EXPLAIN_LINK_<id>, its name, and the sign that a machine has passed it. */
/* clang-format off */
#define EXPLAIN_LINKS(row) \
	row(STACK, "stack", EXPLAIN_STACK) \
	row(DEFINITION, "definition", EXPLAIN_DEFINITION) \
	row(IMAGE, "image", EXPLAIN_IMAGE) \
	row(POWER, "power", EXPLAIN_POWER) \
	row(DHCP, "dhcp", EXPLAIN_ADDRESS) \
	row(LOADER, "loader", EXPLAIN_TFTP) \
	row(SCRIPT, "script", EXPLAIN_ASKED) \
	row(KERNEL, "kernel", EXPLAIN_FETCH) \
	row(CONFIG, "config", EXPLAIN_PHASE) \
	row(DISK, "disk", EXPLAIN_INSTALLED) \
	row(BOOTLOADER, "bootloader", EXPLAIN_CLOUD_INIT) \
	row(FIRST_BOOT, "first-boot", EXPLAIN_READY) \
	row(ORDER, "order", EXPLAIN_AGENT)
/* clang-format on */

#define EXPLAIN_LINK_ID(id, ...) EXPLAIN_LINK_##id,
enum explain_link { EXPLAIN_LINKS(EXPLAIN_LINK_ID) EXPLAIN_LINK_COUNT };

struct explain_rule {
	const char *id;
	enum explain_link link;
	enum explain_sign sign,
	    also; /* the evidence, as far as it was seen; `also` may be the same */
	bool (*applies)(const struct explain_facts *f); /* NULL: when `sign` is seen */
	/* What is broken and what to do, with the words that fill.h fills. */
	const char *sentence, *hint;
};

const char *explain_link_name(enum explain_link link);
enum explain_sign explain_link_sign(enum explain_link link);

/* NULL from the last on. */
const struct explain_rule *explain_rule_at(size_t i);
bool explain_rule_applies(const struct explain_rule *rule, const struct explain_facts *f);

#endif
