/* box.h - the container in which a simulation runs (inside.h): with a network namespace of its own,
 * whose only card is plugged into the lab's bridge, and the stack's PID namespace, where it sees
 * what the stack's programs take. It is gone with its process, or with the stack.
 */
#ifndef VMLAB_SIMULATE_BOX_H
#define VMLAB_SIMULATE_BOX_H

#include "vmlab/simulate/stage.h"

/* Runs it to its end, with its progress on s->out. *result is its own: a new reference. -EINTR when
 * interrupted. `profile` may be NULL. */
must_check int box_run(struct stage *s, json_t *profile, json_t **result, struct err *e);

#endif
