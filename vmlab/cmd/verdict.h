/* verdict.h - what `vmlab validate` says of files, and its judgement of those that are valid: what
 * will not work all the same, or has no effect.
 */
#ifndef VMLAB_CMD_VERDICT_H
#define VMLAB_CMD_VERDICT_H

#include "lib/store/store.h"
#include "vmlab/lab/lab.h"

struct verdict {
	bool json;
	json_t *list; /* of problem_json(), with json; else they are printed */
	size_t errors, warnings;
};

/* `folder` may be NULL. */
void verdict_add(struct verdict *v, const char *folder, const char *file, struct vm_where where,
    bool warning, const char *text);

/* Judges a definition, `file` of vms/, at the fields that say it. */
void verdict_vm(struct verdict *v, const struct lab *lab, const struct vm *vm, const char *file);

/* Judges a profile in the same way, for what it says itself. */
void verdict_profile(
    struct verdict *v, const struct lab *lab, const struct vm_snapshot *snap, const char *name);

#endif
