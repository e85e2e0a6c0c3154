/* stage.h - the lab that simulated machines boot from: one of their own, made for them and removed
 * after them with all that is of it, or one that is there already.
 *
 * The own one is in the folder `simulate` of the user's (lab.h's home), has a definition for each
 * machine, and no way out.
 */
#ifndef VMLAB_SIMULATE_STAGE_H
#define VMLAB_SIMULATE_STAGE_H

#include <stdio.h>

#include "vmlab/lab/command.h"
#include "vmlab/simulate/profile.h"

struct stage {
	struct session session;
	struct lab *lab;
	const struct simulate_profile *profile;
	unsigned machines;
	const char *image; /* what is installed, of the user's; NULL: one that is made */
	FILE *out;         /* what is done, a line each */
	char *folder;      /* of the own lab; NULL: it is a user's */
};

#define STAGE_INIT {.session = SESSION_INIT}

/* A lab of its own, up and with all definitions known. -EINTR when interrupted. In any case
 * stage_close() follows. */
must_check int stage_open_own(struct stage *s, struct err *e);
/* The user's lab, which runs. */
must_check int stage_open_users(struct stage *s, struct err *e);

/* How many of the machines are ready by the server's own account. */
must_check int stage_ready(struct stage *s, unsigned *ready, struct err *e);

/* Removes the own lab; what cannot be is told on stderr. */
void stage_close(struct stage *s);

#endif
