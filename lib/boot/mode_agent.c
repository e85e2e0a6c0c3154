/* Our system in memory, which takes inventory and does what it is ordered to. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " starts the agent, which waits for orders");
	boot_plan_installer(f, BOOT_ROLE_AGENT, out);
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_STARTED;
}

const struct boot_mode boot_mode_agent = {
    .name = "agent",
    .summary = "always starts the agent: it takes inventory, and waits for orders",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_IMAGE,
    .started = "in the agent",
    .plan = plan,
    .expects = expects,
};
