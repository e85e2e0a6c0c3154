/* machine_show.h - `vmlab machines show`. */
#ifndef VMLAB_CMD_MACHINE_SHOW_H
#define VMLAB_CMD_MACHINE_SHOW_H

#include "vmlab/lab/command.h"

/* Prints what the machine is made of; returns the exit status. */
int machine_show(struct session *s, const char *id, bool json);

#endif
