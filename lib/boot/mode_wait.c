/* Stands by: asks again until its definition says otherwise. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " stands by: its definition has mode wait");
	boot_say(out, "it starts by itself once vms/", f->vm->name, ".json has another mode");
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_STARTED;
}

const struct boot_mode boot_mode_wait = {
    .name = "wait",
    .summary = "asks again every 10 s, until it is to do something else",
    .verb = BOOT_WAIT,
    .started = "standing by",
    .plan = plan,
    .expects = expects,
};
