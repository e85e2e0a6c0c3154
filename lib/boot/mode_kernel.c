/* pvmlab's "pxeboot": false: the definition's own kernel and initrd, of which nothing is known. */
#include "lib/boot/plan.h"

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " boots its own kernel");
	out->kernel = boot_image_file(f, f->vm->kernel, out);
	out->words = boot_words(f, NULL, out);
	out->initrd[out->initrds++] = boot_image_file(f, f->vm->initrd, out);
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_UNKNOWN;
}

const struct boot_mode boot_mode_kernel = {
    .name = "kernel",
    .summary = "boots its own kernel and initrd",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_FILES,
    .plan = plan,
    .expects = expects,
};
