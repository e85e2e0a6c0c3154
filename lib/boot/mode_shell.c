/* Our system in memory, with a shell. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " starts a shell");
	boot_plan_installer(f, "shell", out);
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_STARTED;
}

const struct boot_mode boot_mode_shell = {
    .name = "shell",
    .summary = "always starts a shell in the installer",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_IMAGE,
    .started = "in the installer's shell",
    .plan = plan,
    .expects = expects,
};
