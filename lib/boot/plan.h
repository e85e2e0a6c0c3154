/* plan.h - what a loader is told, in nobody's language: a verb, what to load and what to say.
 * Modes fill it in, with the functions below; loaders (loader.h) write it down. Pure.
 */
#ifndef LIB_BOOT_PLAN_H
#define LIB_BOOT_PLAN_H

#include "lib/boot/boot.h"

#define BOOT_LINES_MAX 4
#define BOOT_SETTINGS_MAX 16
#define BOOT_INITRDS_MAX IMAGE_INITRDS_MAX
#define BOOT_ITEMS_MAX 24

/* One thing to choose; borrowed, or kept with the plan. */
struct boot_item {
	const char *name; /* what we are asked with: boot_facts.chosen; "": text between them */
	const char *says; /* to a person */
};

struct boot_plan {
	enum boot_verb verb;
	/* What the screen shows first; no line holds what loaders interpret, but BOOT_ITS_ARCH. */
	const char *line[BOOT_LINES_MAX];
	const char *remark; /* for who looks into the text; or NULL */
	bool renew;         /* BOOT_WAIT: get the lease once more before asking again */
	bool prompt;        /* BOOT_WAIT: let someone type at the loader, if it can, before that */
	/* BOOT_KERNEL: paths below boot_urls.base, and the kernel's command line. */
	const char *kernel, *words, *initrd[BOOT_INITRDS_MAX];
	/* BOOT_CHAIN: a script, or an EFI program with its words; that may have a kernel besides,
	 * for a BIOS. */
	const char *script, *efi;
	const char *disk; /* BOOT_SAN */
	/* Told to a script before it begins; names and values are ours. */
	struct {
		const char *name, *value;
	} setting[BOOT_SETTINGS_MAX];
	unsigned settings;
	/* BOOT_MENU: the first line is its title. */
	struct boot_item item[BOOT_ITEMS_MAX];
	const char *preset; /* name of what is chosen unless another is */
	unsigned timeout_s; /* after this; 0: never by itself */
	unsigned lines, initrds, items;
	bool full; /* what is asked for cannot be said: not to be used */
	size_t used;
	char room[6144]; /* of all texts above */
};

/* Stands in a line for what the machine calls its architecture, which its loader knows. */
#define BOOT_ITS_ARCH "\001"

/* The words of a choice. Borrows from `f` nothing. */
void boot_plan_make(const struct boot_facts *f, struct boot_choice choice, struct boot_plan *out);
/* Instead of a plan that is full, or too long for its loader. */
void boot_plan_refused(const struct boot_facts *f, struct boot_plan *out);

/* ---- for modes --------------------------------------------------------------------------- */

/* Texts, joined and kept with the plan. */
#define boot_text(p, ...) boot_join((p), __VA_ARGS__, (char *)NULL)
__attribute__((sentinel)) const char *boot_join(struct boot_plan *p, const char *text, ...);
#define boot_say(p, ...) ((p)->line[(p)->lines++] = boot_text((p), __VA_ARGS__))
/* Text that is not ours, as a line may hold it: cut, and without what loaders interpret. */
const char *boot_foreign(struct boot_plan *p, const char *text);

/* In decimal digits; borrowed from `buf`. */
#define BOOT_NUMBER_SIZE 16
const char *boot_number(unsigned n, char buf[BOOT_NUMBER_SIZE]);

/* The architecture of the definition, else what the machine says of itself. */
enum vm_arch boot_arch(const struct boot_facts *f);
/* A file of the definition's image, or of the agent's, as a path below the base URL. */
const char *boot_image_file(const struct boot_facts *f, const char *file, struct boot_plan *out);
/* To boot f->image, for the machine of a definition or another. */
void boot_plan_image(const struct boot_facts *f, bool unattended, struct boot_plan *out);
/* Our kernel, initrd and drivers with `role` as the installer's "initrd.mode". One that no
 * definition has can have the agent's only. */
#define BOOT_ROLE_AGENT "agent"
void boot_plan_installer(const struct boot_facts *f, const char *role, struct boot_plan *out);
/* The card that the machine boots from, as BOOTIF= has it: "01-52-54-00-00-00-11"; "": not known.
 */
const char *boot_card(const struct boot_facts *f, struct boot_plan *out);
/* The kernel's command line; `role` NULL: without what is for our initrd. */
const char *boot_words(const struct boot_facts *f, const char *role, struct boot_plan *out);
/* The same for another serial console than its architecture's, by the kernel's name for it. */
const char *boot_words_on(
    const struct boot_facts *f, const char *role, const char *console, struct boot_plan *out);

/* ---- inside ------------------------------------------------------------------------------ */

/* What is said while waiting; wait.c. */
void boot_wait_plan(const struct boot_facts *f, enum boot_wait wait, struct boot_plan *out);
/* To one that asks from where the machine is not, and would get `word`. */
void boot_elsewhere_plan(const struct boot_facts *f, const char *word, struct boot_plan *out);

#endif
