/* mounts.h - whether the running stack still sees the lab's folders. The engine mounts a folder,
 * not a path: one that was replaced since (by version control, by a copy, by hand) is not what the
 * stack serves.
 */
#ifndef VMLAB_LAB_MOUNTS_H
#define VMLAB_LAB_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "vmlab/lab/command.h"

/* The path that is another folder or file than the one the stack has, or NULL: all are the same,
 * the stack does not run, or it cannot be told. Borrowed from the lab or `buf`. */
const char *mounts_replaced(const struct session *s, char *buf, size_t size);

/* The sentence about it for commands that mend nothing. False: there is nothing to say. */
bool mounts_complaint(const struct session *s, char *text, size_t size);

#endif
