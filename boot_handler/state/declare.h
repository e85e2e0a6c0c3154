/* declare.h - a machine without a definition that fits exactly one profile, and which that profile
 * names, gets a definition: vms/<name>.json with what it showed.
 *
 * Files are made beside their place and never over one that is there; at most DECLARE_MAX until
 * this program ends, and a few hundred at once, so that a flood of invented machines fills no disk.
 */
#ifndef BOOT_HANDLER_STATE_DECLARE_H
#define BOOT_HANDLER_STATE_DECLARE_H

#include "boot_handler/state/state.h"
#include "lib/base/pace.h"
#include "lib/store/store.h"

#define DECLARE_MAX 10000

/* What the profiles make of a machine. */
struct declaration {
	const char *profile;      /* the one that fits, the snapshot's; NULL: none or several */
	char name[VM_LABEL_SIZE]; /* it would be called so; "": none declares it */
	char problem[1200];       /* a sentence: why it is not declared; "": nothing is wrong */
};

/* Pure. An ignored one is left alone. */
void declare_judge(
    const struct vm_snapshot *snap, const struct stranger *stranger, struct declaration *out);

/* Pure: the text of its definition, which the caller frees. `uuid`, `serial`: no other stranger
 * shows the same. NULL with a sentence when no such definition would be used; *mac is the machine's
 * in it. */
char *declare_text(const struct vm_snapshot *snap, const struct stranger *stranger,
    const struct declaration *declaration, bool uuid, bool serial, struct mac *mac, struct err *e);

struct declarer {
	struct state *state;
	const char *dir; /* vms/ */
	struct pace pace;
	json_t *profiles; /* what the strangers were judged by; NULL: nothing */
	unsigned count;
	_Atomic int error; /* why the last file could not be written; 0: it could */
};

/* Whether any profile has a "match". */
bool declare_applies(const struct vm_snapshot *snap);

/* Looks at those that have asked since the last time, or, where the profiles are others, at all.
 * Returns in how many ms to come again at the latest, -1: not before one asks. One thread. */
int declarer_round(struct declarer *d, const struct vm_snapshot *snap);

/* Whether definitions can be written at all. Any thread. */
bool declarer_may_write(const struct declarer *d);
/* The operator has it declared by that name. 0, -EINVAL or -EBUSY: another name is needed, or why
 * no such file can be written. Any thread. */
must_check int declarer_adopt(struct declarer *d, const struct vm_snapshot *snap,
    const struct stranger *stranger, const char *name, struct err *e);

/* Puts into a declaration without a problem why it is not in vms/ yet, if the file could not be
 * written. Any thread. */
void declarer_excuse(struct declarer *d, struct declaration *declaration);

#endif
