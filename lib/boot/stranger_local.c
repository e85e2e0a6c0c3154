/* The disk, whatever is on it. */
#include "lib/boot/stranger.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_stranger_plan_verb(f, BOOT_DISK, "it boots from its disk", out);
}

const struct boot_stranger boot_stranger_local = {
    .name = "local",
    .summary = "they boot from disk",
    .plan = plan,
};
