/* lifecycle.h - how a machine gets on: what a boot, a report and an order make of it. Pure.
 *
 *	declared -> booting -> installing -> installed -> ready
 *	            any of the first three -> failed; ready -> installed when it boots again;
 *	            installed, ready -> declared when its disk is wiped
 */
#ifndef LIB_MACHINE_LIFECYCLE_H
#define LIB_MACHINE_LIFECYCLE_H

#include "lib/machine/machine.h"

/* What decisions need of the past. All zero: never seen. */
struct life {
	enum machine_state state;
	bool local;     /* ordered: boot from disk */
	bool reinstall; /* ordered: install at the next network boot */
	unsigned attempt;
	bool ordered;     /* the install that goes on was ordered: what is installed may go */
	bool netboot_off; /* ordered: no network boot; stays until it is taken back */
};

enum happening_kind {
	LIFE_BOOTS,     /* it asked what to boot, and was told */
	LIFE_REPORTS,   /* its installer did */
	LIFE_TELLS,     /* its system is on its way */
	LIFE_IS_READY,  /* its system says that cloud-init ended */
	LIFE_REINSTALL, /* orders; the last one counts */
	LIFE_LOCAL,
	LIFE_NETBOOT_OFF, /* beside those two */
	LIFE_NETBOOT_ON,
	LIFE_DEPLOYED, /* an order wrote a system onto its disk */
	LIFE_WIPED,    /* an order erased the disk that its system was on */
};

struct happening {
	enum happening_kind kind;
	bool installs, restarts; /* LIFE_BOOTS: what it was told; else it does neither, or waits */
	bool tells;              /* LIFE_BOOTS: its system tells of each boot */
	bool done, failed;       /* LIFE_REPORTS: the install has ended so */
	unsigned installed_as;   /* LIFE_REPORTS, done: the attempt its disk tells; 0: not told */
};

struct life_step {
	struct life life;
	bool taken; /* false: it comes too late, or a reinstall is due; then nothing else is true */
	bool changed; /* life has */
	bool anew;    /* what installer and system told of themselves holds no more */
	bool reboots; /* what the system told of this boot holds no more */
	bool must_save;
};

struct life_step lifecycle_step(const struct life *life, const struct happening *h);

#endif
