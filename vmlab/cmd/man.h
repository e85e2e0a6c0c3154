/* man.h - the manual pages, made from the table of commands. man(7). */
#ifndef VMLAB_CMD_MAN_H
#define VMLAB_CMD_MAN_H

#include <stdio.h>

#include "vmlab/lab/command.h"

/* vmlab-<command>(1). */
void man_command(const struct command *c, FILE *out);

/* vmlab(1): `overview` is the page that `vmlab help` prints. */
void man_overview(
    const char *overview, const struct command *const *commands, size_t count, FILE *out);

#endif
