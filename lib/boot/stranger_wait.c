/* Asks again, for as long as it takes to be declared. */
#include "lib/boot/stranger.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_stranger_say_adopt(f, "it starts by itself once there is one: ", out);
}

const struct boot_stranger boot_stranger_wait = {
    .name = "wait",
    .summary = "they ask again",
    .plan = plan,
};
