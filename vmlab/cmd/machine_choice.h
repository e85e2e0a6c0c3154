/* machine_choice.h - which machines an expression means: terms joined by commas, as Ansible's
 * patterns have it. "all", a name's pattern ("web*"), "profile=NAME", "arch=arm64", "state=ready";
 * with
 * "!" before it, a term takes machines out again. Pure.
 */
#ifndef VMLAB_CMD_MACHINE_CHOICE_H
#define VMLAB_CMD_MACHINE_CHOICE_H

#include <jansson.h>

#include "lib/base/err.h"

/* The names of those of `machines` (the API's list) that are declared and meant, in its order: a
 * new list. NULL with a sentence when none is, or a term is none. */
json_t *machine_choice(const json_t *machines, const char *expression, struct err *e);

#endif
