/* fill.h - sentences with what was seen in them. Pure. */
#ifndef LIB_EXPLAIN_FILL_H
#define LIB_EXPLAIN_FILL_H

#include <stdio.h>

#include "lib/explain/sign.h"

/* "{about}", "{what}", "{count}", "{ago}", "{from}" and "{hint}" are those of `sign`,
 * "{SIGN.about}" and so on of another; "{name}" is the machine. */
void explain_fill(
    FILE *out, const char *text, const struct explain_facts *f, enum explain_sign sign);

#endif
