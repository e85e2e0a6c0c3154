/* boot.h - what a machine boots: facts in, a choice out, and what may be expected of it. Pure, and
 * the only judge: server, command line and tests ask here.
 *
 *	facts -> boot_decide() -> choice -> boot_plan_make() (plan.h) -> a loader's text (loader.h)
 */
#ifndef LIB_BOOT_BOOT_H
#define LIB_BOOT_BOOT_H

#include "lib/definition/mode.h"
#include "lib/definition/vm.h"
#include "lib/image/boot_image.h"
#include "lib/machine/lifecycle.h"

/* Why a machine waits instead. */
enum boot_wait {
	BOOT_GOES,
	BOOT_UNKNOWN,    /* no definition has it */
	BOOT_NO_IMAGE,   /* what its mode needs is not there */
	BOOT_FAILED,     /* the last install did */
	BOOT_WRONG_ARCH, /* it is of another architecture than its definition */
	BOOT_WAITS,
};

/* Where things are; set once at the start. */
struct boot_urls {
	const char *base;    /* "http://192.168.100.1", no slash at its end; see boot_url_valid() */
	const char *initrds; /* "/initrds" */
};

struct boot_offers;
struct boot_stranger;

/* Borrowed. The first part decides, the second is for what is said. */
struct boot_facts {
	const struct vm *vm; /* NULL: no definition has this machine */
	struct life life;
	bool other_arch; /* than vm's, the machine says of itself */
	bool has_needed; /* what boot_mode_of(vm)->needs is there; menu: its distro */
	const struct boot_image *image; /* with BOOT_NEEDS_BOOT, or chosen; NULL: it is not there */
	const struct boot_offers *offers; /* of a menu; NULL: none */
	bool noreboot;                    /* vms/<name>.noreboot is there */
	const char *chosen;               /* at the menu, a word of the client's; NULL: nothing */
	bool tells;                       /* its system tells of each boot, not only of the first */
	bool disk_once;                   /* ordered: this boot is from its disk */
	bool agent_once;                  /* what it is ordered to do needs the agent */
	bool image_once;                  /* ordered: this boot is of `image` */

	const struct boot_urls *urls;
	const struct mac *mac; /* the card that asks; NULL: not said */
	enum vm_arch arch; /* without vm: what the machine says of itself, or VM_ARCH_NOT_SAID */
	const struct boot_stranger *stranger; /* what strangers get (stranger.h); NULL: wait */
	/* Whose kernel the agent has, without vm or where vm has none; NULL: there is none. */
	const char *agent_image;
	unsigned attempt;
	const char *elsewhere; /* not NULL: asked for from this address, which is not vm's */
	bool other_card;       /* the same, with a card of which only UUID or serial number fit */
	const char *missing;   /* BOOT_NO_IMAGE: what, a sentence */
	const char *advice;    /* what to do about it */
	enum machine_phase error_phase; /* BOOT_FAILED */
	const char *error_reason;
};

struct boot_choice {
	const struct boot_mode *mode; /* NULL with BOOT_UNKNOWN */
	enum boot_wait wait;
};

/* What the definition says: its "mode", or what pvmlab's "pxeboot" makes of it. */
const struct boot_mode *boot_mode_of(const struct vm *vm);
/* The same as the definition has it: "mode": "shell". Borrowed from `buf`. */
#define BOOT_MODE_SAID_SIZE 64
const char *boot_mode_said(const struct vm *vm, char buf[BOOT_MODE_SAID_SIZE]);
/* Whether a network boot of it may install a system onto its disk. */
bool boot_may_install(const struct vm *vm);

/* Which image its mode takes, and for what; NULL: none is named. */
const char *boot_image_name(const struct vm *vm);
enum image_use boot_image_use(const struct vm *vm);
struct boot_choice boot_decide(const struct boot_facts *f);
/* Whether the choice is what the machine's menu was answered with. */
bool boot_is_chosen(const struct boot_facts *f, struct boot_choice choice);
/* A word for each: a mode's name, "unknown", "no-image", "failed", "wrong-arch". */
const char *boot_choice_name(struct boot_choice choice);
/* The same for events and the API, where some reasons to wait are all "wait". */
const char *boot_choice_word(struct boot_choice choice);

/* What the loader is told: to wait, where something is in the mode's way. */
enum boot_verb boot_choice_verb(struct boot_choice choice);
/* Whether a machine that asks again tells something by it: `before` is the name of what it was
 * given `ago_ms` before, NULL when never. What waits asks every few seconds; so does iPXE that
 * cannot load our kernel. */
bool boot_choice_is_news(struct boot_choice choice, const char *before, int64_t ago_ms);

/* Where the machine's next boot ends once nothing is in its way; and the API's words for it. */
enum boot_end boot_expects(const struct boot_facts *f);
const char *boot_end_name(enum boot_end end);   /* NULL for BOOT_END_UNKNOWN */
enum boot_end boot_end_parse(const char *name); /* NULL and others: BOOT_END_UNKNOWN */

/* True for http(s)://host[:port][/path] made only of characters that mean nothing to a loader. */
bool boot_url_valid(const char *url);
/* The same for a path that starts with '/' and does not end with one. */
bool boot_path_valid(const char *path);

/* Seconds a machine that has to wait sleeps before it asks again. */
#define BOOT_WAIT_S 10

#endif
