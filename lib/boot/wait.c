/* What a machine that has to wait says on its screen. */
#include "lib/boot/plan.h"
#include "lib/boot/stranger.h"

static void no_image(const struct boot_facts *f, struct boot_plan *out)
{
	const char *name = boot_image_name(f->vm);

	boot_say(out, f->vm->name, " waits for the image images/", name ? name : "debian-13", "/",
	    vm_arch_name(f->vm->arch));
	out->line[out->lines++] = boot_foreign(out, f->missing ? f->missing : "it is not there");
	if (f->advice)
		out->line[out->lines++] = boot_foreign(out, f->advice);
}

static void failed(const struct boot_facts *f, struct boot_plan *out)
{
	const char *phase = machine_phase_name(f->error_phase);
	bool has_reason = f->error_reason && f->error_reason[0];

	boot_say(out, "the installation of ", f->vm->name, " failed", phase ? " in phase " : "",
	    phase ? phase : "");
	out->line[out->lines++] =
	    boot_foreign(out, has_reason ? f->error_reason : "no reason was given");
	boot_say(out, "waiting for: vmlab reinstall ", f->vm->name);
}

static void wrong_arch(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " is defined as ", vm_arch_name(f->vm->arch),
	    " but this machine is " BOOT_ITS_ARCH ": correct its arch in vms/");
}

void boot_wait_plan(const struct boot_facts *f, enum boot_wait wait, struct boot_plan *out)
{
	static void (*const says[BOOT_WAITS])(const struct boot_facts *f, struct boot_plan *out) = {
	    [BOOT_UNKNOWN] = boot_stranger_plan,
	    [BOOT_NO_IMAGE] = no_image,
	    [BOOT_FAILED] = failed,
	    [BOOT_WRONG_ARCH] = wrong_arch,
	};

	says[wait](f, out);
}

static void other_card(const struct boot_facts *f, struct boot_plan *out)
{
	char mac[MAC_TEXT_SIZE];

	boot_say(out, "this card has the UUID or serial number of ", f->vm->name,
	    ", whose own card is there: ready, or heard of within the last hour");
	boot_say(out, "nothing was changed; if this is its card from now on, set mac in vms/",
	    f->vm->name, ".json", f->mac ? " to " : "", f->mac ? mac_format(f->mac, mac) : "");
}

/* Whoever looks sees what the machine would do; a machine that runs this has no right to do it. */
void boot_elsewhere_plan(const struct boot_facts *f, const char *word, struct boot_plan *out)
{
	out->remark = boot_text(out, "what ", f->vm->name, " itself would get: ", word);
	if (f->other_card) {
		other_card(f, out);
		return;
	}
	const char *from = boot_foreign(out, f->elsewhere[0] ? f->elsewhere : "nowhere");
	boot_say(out, f->vm->name, " boots from its own address only, and this request came from ",
	    from);
	boot_say(out,
	    "nothing was changed; where another DHCP server gives the addresses, start the stack with GUEST_ACCESS=any");
	out->renew = true; /* should the lease have been told to nobody, it is told once more */
}
