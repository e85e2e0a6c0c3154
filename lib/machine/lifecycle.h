/* lifecycle.h - what is remembered of a machine between boots, as far as decisions need it. */
#ifndef LIB_MACHINE_LIFECYCLE_H
#define LIB_MACHINE_LIFECYCLE_H

#include "lib/machine/machine.h"

/* All zero: never seen. */
struct life {
	enum machine_state state;
	bool local;     /* ordered: boot from disk */
	bool reinstall; /* ordered: install at the next network boot */
	unsigned attempt;
	bool ordered; /* the install that goes on was ordered: what is installed may go */
};

#endif
