/* resume.h - which containers a reboot of this machine has ended. */
#ifndef VMLAB_LAB_RESUME_H
#define VMLAB_LAB_RESUME_H

#include <stdbool.h>

#include "vmlab/engine/engine.h"

/* Pure. `saved` is what `vmlab resume --save` wrote, one container id a line, or NULL. A container
 * that a power cut ended has the engine's own status 255; one that ended in an orderly shutdown has
 * its own, and is in the list. */
bool resume_was_running(const struct container *c, const char *saved);

#endif
