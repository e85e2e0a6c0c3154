/* stage4.h - the one script that makes a system, whoever installed it, the definition's machine:
 * hooks, files, users, runcmd. Pure.
 *
 * POSIX shell: it begins with stage4.sh and its helpers, stage4_library.sh; behind them stands what
 * this definition wants, each value a word of its own.
 */
#ifndef LIB_UNATTENDED_STAGE4_H
#define LIB_UNATTENDED_STAGE4_H

#include "lib/unattended/format.h"

/* *out is malloc'ed. */
must_check int stage4_make(const struct unattended_source *s, char **out, struct err *e);

/* The helpers alone, to be read by scripts of one's own: `. "$STAGE4"`. Reading them runs nothing.
 */
const char *stage4_library(void);

#endif
