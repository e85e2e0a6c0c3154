/* The disk, whatever is on it. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " boots from its disk");
}

static enum boot_end expects(const struct boot_facts *f)
{
	return f->tells ? BOOT_END_READY : BOOT_END_ANSWERS;
}

const struct boot_mode boot_mode_local = {
    .name = "local",
    .summary = "always boots from disk",
    .verb = BOOT_DISK,
    .plan = plan,
    .expects = expects,
};
