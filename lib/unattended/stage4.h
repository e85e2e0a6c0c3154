/* stage4.h - the one script that makes a system, whoever installed it, the definition's machine:
 * hooks, files, users, runcmd. Pure.
 *
 * POSIX shell: its helpers are stage4.sh; behind them stands what this definition wants, each value
 * a word of its own.
 */
#ifndef LIB_UNATTENDED_STAGE4_H
#define LIB_UNATTENDED_STAGE4_H

#include "lib/unattended/format.h"

/* *out is malloc'ed. */
must_check int stage4_make(const struct unattended_source *s, char **out, struct err *e);

#endif
