/* Our system in memory, which takes inventory and does what it is ordered to. */
#include "lib/boot/stranger.h"

static void lacks(const struct boot_facts *f, struct boot_plan *out)
{
	if (f->arch >= VM_ARCH_COUNT)
		boot_say(
		    out, "its loader does not tell its architecture: it cannot start the agent");
	else
		boot_say(out, "the agent has no kernel for ", vm_arch_name(f->arch),
		    ": it takes that of the image which vms/_defaults.json names as distro, else of debian-13");
	boot_stranger_say_adopt(f, "to declare it: ", out);
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	if (f->disk_once) {
		boot_stranger_local.plan(f, out);
	} else if (!f->agent_image || f->arch >= VM_ARCH_COUNT) {
		lacks(f, out);
	} else {
		out->verb = BOOT_KERNEL;
		boot_say(out, "it starts the agent, which waits for orders");
		boot_stranger_say_adopt(f, "to declare it: ", out);
		boot_plan_installer(f, BOOT_ROLE_AGENT, out);
	}
}

const struct boot_stranger boot_stranger_agent = {
    .name = "agent",
    .summary = "they take inventory and wait for orders",
    .plan = plan,
};
