/* stranger.h - what a network boot does of a machine that no definition has: the words of the
 * setting STRANGERS. One is a file stranger_*.c and a line in BOOT_STRANGERS; the first is what
 * holds unless another is set. */
#ifndef LIB_BOOT_STRANGER_H
#define LIB_BOOT_STRANGER_H

#include "lib/boot/plan.h"

#define BOOT_STRANGERS(ROW)                                                                        \
	ROW(boot_stranger_wait)                                                                    \
	ROW(boot_stranger_local)                                                                   \
	ROW(boot_stranger_off)                                                                     \
	ROW(boot_stranger_menu)                                                                    \
	ROW(boot_stranger_agent)

struct boot_stranger {
	const char *name;
	const char *summary;
	/* Fills in what is told; who the machine is has been said. */
	void (*plan)(const struct boot_facts *f, struct boot_plan *out);
};

#define BOOT_STRANGER_DECLARED(row) extern const struct boot_stranger row;
BOOT_STRANGERS(BOOT_STRANGER_DECLARED)

/* NULL from the last on. */
const struct boot_stranger *boot_stranger_at(size_t i);
/* -EINVAL, with the words there are. */
must_check int boot_stranger_find(
    const char *name, const struct boot_stranger **out, struct err *e);

/* The whole plan. */
void boot_stranger_plan(const struct boot_facts *f, struct boot_plan *out);
/* Whether it has chosen something of its menu: see boot_facts.chosen, and .image for an image. */
bool boot_stranger_chooses(const struct boot_facts *f);
/* For the rows: a plan of one verb, which `what` says; and how the machine gets a definition, with
 * `before` before it. */
void boot_stranger_plan_verb(
    const struct boot_facts *f, enum boot_verb verb, const char *what, struct boot_plan *out);
void boot_stranger_say_adopt(const struct boot_facts *f, const char *before, struct boot_plan *out);

#endif
