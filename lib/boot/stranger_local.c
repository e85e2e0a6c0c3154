/* The disk, whatever is on it. */
#include "lib/boot/stranger.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	out->verb = BOOT_DISK;
	boot_say(out, "it boots from its disk");
	boot_stranger_say_adopt(f, "to declare it: ", out);
}

const struct boot_stranger boot_stranger_local = {
    .name = "local",
    .summary = "they boot from disk",
    .plan = plan,
};
