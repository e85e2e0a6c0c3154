/* outlook.h - what a machine's recorded state means now: whether it waits for something that is
 * missing, stands in the agent, or has not got on for longer than its stage may take. Pure; nothing
 * of it is recorded.
 */
#ifndef BOOT_HANDLER_STATE_OUTLOOK_H
#define BOOT_HANDLER_STATE_OUTLOOK_H

#include "boot_handler/sources/image.h"
#include "boot_handler/state/order.h"
#include "lib/machine/machine.h"
#include "lib/boot/boot.h"
#include "lib/base/err.h"
#include "lib/image/own_kernel.h"
#include "lib/definition/vm.h"

/* A boot before the installer's first report, each phase of the installer, an installer that tells
 * of none, the first boot. */
#define OUTLOOK_STAGES (PHASE_REBOOT + 3)

/* Seconds that each stage may go without getting on; 0: for ever. */
struct outlook_limits {
	int seconds[OUTLOOK_STAGES];
};

void outlook_limits_default(struct outlook_limits *out);
/* Changes some: "boot=300,rootfs=0,first-boot=3600". NULL changes none. Returns 0 or -EINVAL. */
must_check int outlook_limits_parse(const char *text, struct outlook_limits *out, struct err *e);

/* Borrowed. */
struct outlook_facts {
	const struct vm *vm;
	const struct machine_row *row;
	const struct image_facts *image;
	const struct outlook_limits *limits;
	int64_t now_ms;
	const struct own_kernel_gap *own; /* a file of its own that it lacks; NULL: none */
	bool noreboot;                    /* vms/<name>.noreboot is there */
	enum order_due due;               /* what its next boot is for, as far as that is there */
	int64_t agent_since_ms;           /* its agent is there, since then; 0: it is not */
	bool order_begun;                 /* its agent has not told the end of what it does */
	bool order_installs;              /* and that is its install, which reports for itself */
};

struct outlook {
	const char *state;  /* the recorded one, "agent", "waiting" or "stalled" */
	const char *stage;  /* NULL: nothing is wrong; "no image", "no kernel", "no initrd", "wrong
			       arch"; "boot", "rootfs"... */
	int64_t since_ms;   /* since when it has not got on, or its agent is there; 0: not known */
	int limit_s;        /* of a stalled stage */
	bool without_image; /* its image was removed in the middle of it */
	bool again;         /* a stalled boot that gets on, in a circle */
	bool starts_agent;  /* "agent": it is told to boot it, which has not come up yet */
	bool boots;         /* installed, and on its way to what it will report */
	const char *does;   /* its next network boot: boot_choice_word() */
	enum boot_end ends;
	char reason[600];
	char hint[600];
};

void outlook_make(const struct outlook_facts *f, struct outlook *out);

#endif
