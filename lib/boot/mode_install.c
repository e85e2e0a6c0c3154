/* Installs the image once; then the disk, until a reinstall is ordered. */
#include "lib/boot/plan.h"

static struct boot_choice choose(const struct boot_facts *f)
{
	const struct life *life = &f->life;

	if (life->reinstall)
		return (struct boot_choice){&boot_mode_install, BOOT_GOES};
	if (life->local || life->state == MACHINE_INSTALLED || life->state == MACHINE_READY)
		return (struct boot_choice){&boot_mode_local, BOOT_GOES};
	return (struct boot_choice){
	    &boot_mode_install, life->state == MACHINE_FAILED ? BOOT_FAILED : BOOT_GOES};
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	char attempt[BOOT_NUMBER_SIZE];

	boot_say(out, f->vm->name, " installs ", f->vm->distro, ", attempt ",
	    boot_number(f->attempt, attempt));
	boot_plan_installer(f, "install", out);
}

static enum boot_end expects(const struct boot_facts *f)
{
	enum vm_after after = f->vm->after_install;

	/* One that has told of its first boot only is seen by what answers. */
	if (choose(f).mode == &boot_mode_local)
		return f->life.state == MACHINE_INSTALLED ? BOOT_END_READY
							  : boot_mode_local.expects(f);
	if (f->noreboot || (after != VM_AFTER_REBOOT && after != VM_AFTER_KEXEC))
		return BOOT_END_INSTALLED;
	return BOOT_END_READY;
}

const struct boot_mode boot_mode_install = {
    .name = "install",
    .summary = "installs once and boots from disk from then on",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_IMAGE | BOOT_NEEDS_DISK,
    .choose = choose,
    .plan = plan,
    .expects = expects,
};
