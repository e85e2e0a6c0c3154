#include "vmlab/follow/goal.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/machine/machine.h"

bool goal_told(const json_t *vm, struct goal_expected *out)
{
	const json_t *expected = json_object_get(vm, "expected");

	out->does = json_string_value(json_object_get(expected, "does"));
	out->ends = boot_end_parse(json_string_value(json_object_get(expected, "ends")));
	return out->does != NULL;
}

struct goal_expected goal_defined(const struct vm *vm, bool has_needed, bool noreboot)
{
	struct boot_facts facts = {.vm = vm, .has_needed = has_needed, .noreboot = noreboot};

	return (struct goal_expected){boot_choice_word(boot_decide(&facts)), boot_expects(&facts)};
}

bool goal_is_disk(const struct goal_expected *expected)
{
	const struct boot_mode *mode = boot_mode_find(expected->does);

	return mode && mode->verb == BOOT_DISK;
}

enum goal_kind goal_decide(const struct goal_facts *facts, enum boot_end *end)
{
	const struct goal_expected *x = &facts->expected;
	bool ready = machine_state_is(facts->state, MACHINE_READY);
	struct boot_choice waits = {NULL, BOOT_NO_IMAGE};

	if (facts->was_running && facts->state && strcmp(facts->state, "agent") == 0) {
		*end = BOOT_END_STARTED;
		return GOAL_FOLLOW;
	}
	if (strcmp(x->does, boot_choice_word(waits)) == 0 && !facts->has_image)
		return GOAL_NO_IMAGE;
	*end = x->ends;
	/* It boots no more: it has said what it will say. */
	if (x->ends == BOOT_END_ANSWERS && facts->was_running)
		*end = ready ? BOOT_END_READY : BOOT_END_UNKNOWN;
	return *end == BOOT_END_UNKNOWN ? GOAL_UNKNOWN : GOAL_FOLLOW;
}

int64_t goal_container_start_ms(const struct container *c, int64_t otherwise)
{
	const json_t *state = c ? json_object_get(c->info, "State") : NULL;
	int64_t ms = time_parse(json_string_value(json_object_get(state, "StartedAt")));

	return ms < 0 ? otherwise : ms;
}
