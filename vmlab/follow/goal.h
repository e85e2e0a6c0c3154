/* goal.h - what to wait for after a VM was started: depends on what its definition makes it do and
 * on what it has done before. Pure.
 */
#ifndef VMLAB_FOLLOW_GOAL_H
#define VMLAB_FOLLOW_GOAL_H

#include "lib/definition/vm.h"
#include "vmlab/engine/engine.h"
#include "vmlab/follow/follow.h"

struct goal_facts {
	const char *state; /* the API's word before the start; NULL: unknown machine */
	bool noreboot;     /* vms/<name>.noreboot is there */
	bool has_image;    /* or the files of its own that it boots */
	bool was_running;  /* its container ran already, and the state is of this time */
	bool tells;        /* of each boot, not only of the first */
};

enum goal_kind {
	GOAL_FOLLOW,   /* *goal says until where */
	GOAL_NO_IMAGE, /* what it would install or boot is not there: it waits */
	GOAL_UNKNOWN,  /* boots something of its own that reports nothing */
};

enum goal_kind goal_decide(
    const struct vm *vm, const struct goal_facts *facts, enum follow_goal *goal);

/* When a running container was started, in ms since 1970; `otherwise` when it does not say. */
int64_t goal_container_start_ms(const struct container *c, int64_t otherwise);

#endif
