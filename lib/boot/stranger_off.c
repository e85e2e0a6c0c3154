/* Nothing. It has got a loader by DHCP all the same: whether a definition has it by its UUID or
 * serial number is known once that has asked. */
#include "lib/boot/stranger.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_stranger_plan_verb(f, BOOT_NEXT, "the firmware goes on to its next boot device", out);
}

const struct boot_stranger boot_stranger_off = {
    .name = "off",
    .summary = "their firmware goes on to its next boot device",
    .plan = plan,
};
