/* mode.h - what a network boot does: the words of a definition's "mode", and what each means.
 *
 * A mode is a file mode_*.c in lib/boot/ and a line in BOOT_MODES. Definitions, their schema and
 * their reference know its name and summary; lib/boot/boot.h does the rest.
 */
#ifndef LIB_DEFINITION_MODE_H
#define LIB_DEFINITION_MODE_H

#include <stdbool.h>
#include <stddef.h>

/* The first is what a definition that says nothing has; a new one stands at the end. */
#define BOOT_MODES(MODE)                                                                           \
	MODE(boot_mode_install)                                                                    \
	MODE(boot_mode_local)                                                                      \
	MODE(boot_mode_shell)                                                                      \
	MODE(boot_mode_off)                                                                        \
	MODE(boot_mode_boot)                                                                       \
	MODE(boot_mode_menu)                                                                       \
	MODE(boot_mode_wait)                                                                       \
	MODE(boot_mode_agent)

struct boot_choice;
struct boot_facts;
struct boot_plan;

/* What a loader is told to do. */
enum boot_verb {
	BOOT_WAIT, /* and ask again */
	BOOT_DISK,
	BOOT_KERNEL,
	BOOT_NEXT,  /* back to the firmware, which tries what comes next */
	BOOT_CHAIN, /* a script of the loader's own language, or a program of the firmware's */
	BOOT_SAN,   /* a disk or CD over the network */
	BOOT_MENU,  /* ask whoever stands before it, and us again with the answer */
};

/* Where a boot ends, so that it can be waited for. */
enum boot_end {
	BOOT_END_UNKNOWN, /* it reports nothing */
	BOOT_END_READY,   /* the system has reported that cloud-init ended */
	BOOT_END_INSTALLED,
	BOOT_END_STARTED, /* with the boot itself */
	BOOT_END_ANSWERS, /* on SSH; it reports nothing */
};

/* What must be there. */
#define BOOT_NEEDS_IMAGE 1u /* the image, and memory for its kernel and drivers */
#define BOOT_NEEDS_DISK 2u  /* to install on */
#define BOOT_NEEDS_FILES 4u /* the definition's own kernel and initrd */
#define BOOT_NEEDS_BOOT 8u  /* the boot image that the definition names */

struct boot_mode {
	const char *name;    /* in definitions and events */
	const char *summary; /* begins with its verb: "always boots from disk" */
	enum boot_verb verb;
	unsigned needs;
	const char *started; /* BOOT_END_STARTED: where the machine is then */
	/* What is due as things are: this mode, another or a wait. NULL: always this. */
	struct boot_choice (*choose)(const struct boot_facts *f);
	/* Fills in what to say and what to load or to choose from: see lib/boot/plan.h. */
	void (*plan)(const struct boot_facts *f, struct boot_plan *out);
	enum boot_end (*expects)(const struct boot_facts *f);
};

#define BOOT_MODE_DECLARED(mode) extern const struct boot_mode mode;
BOOT_MODES(BOOT_MODE_DECLARED)
/* No word of "mode": pvmlab's "pxeboot": false with files of its own. */
extern const struct boot_mode boot_mode_kernel;
/* "boot" with "unattended": the image installs the machine, and tells when it has. */
extern const struct boot_mode boot_mode_unattended;

/* NULL from the last on. */
const struct boot_mode *boot_mode_at(size_t i);
const char *boot_mode_name(size_t i);
const char *boot_mode_summary(size_t i);
/* By its name, boot_mode_kernel's too; NULL: none. */
const struct boot_mode *boot_mode_find(const char *name);
/* Whether what is installed stays, and is not what runs until it tells so: from its disk a machine
 * starts it anew, and in the agent it does not run. NULL is allowed. */
bool boot_mode_restarts(const struct boot_mode *mode);

#endif
