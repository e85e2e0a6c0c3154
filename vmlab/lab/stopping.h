/* stopping.h - stops containers so that a command may be interrupted meanwhile: the engine goes on
 * with what it was asked for, and who comes next waits for the end of it instead of finding
 * machines that run and then end.
 *
 * What was asked for and not seen to its end stands in the lab's own folder, in the file
 * `stopping`.
 */
#ifndef VMLAB_LAB_STOPPING_H
#define VMLAB_LAB_STOPPING_H

#include <stdio.h>

#include "vmlab/lab/command.h"

/* `verb` is "stop" or "restart"; all at the same time, each in its own orderly way. -EINTR: the
 * user does not wait, the engine goes on. Nothing without names. */
must_check int stopping_run(
    struct session *s, const char *verb, const struct argv *names, struct err *e);

/* Waits until nothing is being stopped any more, for as long as stopping may take. Says so on
 * `out`. Looks at the containers again. */
must_check int stopping_settle(struct session *s, FILE *out, struct err *e);

/* What runs still and what stays, after an interrupted `what` ("down"). Returns STATUS_INTERRUPTED.
 */
int stopping_interrupted(struct session *s, const char *what);

#endif
