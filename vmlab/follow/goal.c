#include "vmlab/follow/goal.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/image/own_kernel.h"
#include "vmlab/ui/human.h"

enum goal_kind goal_decide(
    const struct vm *vm, const struct goal_facts *facts, enum follow_goal *goal)
{
	bool ready = facts->state && strcmp(facts->state, "ready") == 0;
	bool installed = ready || (facts->state && strcmp(facts->state, "installed") == 0);

	if (own_kernel_wanted(vm))
		return facts->has_image ? GOAL_UNKNOWN : GOAL_NO_IMAGE;
	if (vm->mode == VM_MODE_SHELL) {
		*goal = FOLLOW_SHELL;
		return GOAL_FOLLOW;
	}
	if (vm->mode == VM_MODE_LOCAL || !vm->pxeboot) {
		*goal = facts->was_running || facts->tells ? FOLLOW_READY : FOLLOW_ANSWERS;
		return facts->was_running && !ready ? GOAL_UNKNOWN : GOAL_FOLLOW;
	}
	if (!installed) {
		if (!facts->has_image)
			return GOAL_NO_IMAGE;
		bool stays =
		    (vm->after_install != VM_AFTER_REBOOT && vm->after_install != VM_AFTER_KEXEC) ||
		    facts->noreboot;
		*goal = stays ? FOLLOW_INSTALLED : FOLLOW_READY;
		return GOAL_FOLLOW;
	}
	/* A guest that reports once per install: later boots are seen by what answers. */
	*goal = ready && !facts->was_running && !facts->tells ? FOLLOW_ANSWERS : FOLLOW_READY;
	return GOAL_FOLLOW;
}

int64_t goal_container_start_ms(const struct container *c, int64_t otherwise)
{
	const json_t *state = c ? json_object_get(c->info, "State") : NULL;
	int64_t ms = time_parse(json_string_value(json_object_get(state, "StartedAt")));

	return ms < 0 ? otherwise : ms;
}
