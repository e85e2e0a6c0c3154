/* No network boot. DHCP gives it an address and no loader (vm_watcher's tag "nonetboot"): this is
 * for what asks all the same, such as iPXE from a stick. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	if (f->life.netboot_off)
		boot_say(out, "network boot of ", f->vm->name, " is off: vmlab netboot ",
		    f->vm->name, " on allows it again");
	else
		boot_say(
		    out, "network boot of ", f->vm->name, " is off: its definition has mode off");
	boot_say(out, "the firmware goes on to its next boot device");
}

static enum boot_end expects(const struct boot_facts *f)
{
	return boot_mode_local.expects(f);
}

const struct boot_mode boot_mode_off = {
    .name = "off",
    .summary = "gets an address by DHCP and no loader: the firmware boots what comes next",
    .verb = BOOT_NEXT,
    .plan = plan,
    .expects = expects,
};
