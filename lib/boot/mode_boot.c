/* A boot image each time: a live system, a tool, or another system's installer. One that installs
 * without questions does so once, tells when it is done, and the disk follows. */
#include <stdio.h>
#include <string.h>

#include "lib/boot/plan.h"
#include "lib/image/boot_args.h"

static struct boot_choice choose_once(const struct boot_facts *f)
{
	const struct life *life = &f->life;
	bool installed =
	    life->local || life->state == MACHINE_INSTALLED || life->state == MACHINE_READY;

	return (struct boot_choice){
	    installed && !life->reinstall ? &boot_mode_local : &boot_mode_unattended, BOOT_GOES};
}

/* The name of a machine without a definition. */
#define STRANGER "stranger"

/* Without the port that may follow it; one in brackets is an address of IPv6. */
static const char *server_host(const struct boot_facts *f, struct boot_plan *out)
{
	const char *host = strstr(f->urls->base, "://") + 3;
	char text[256];

	snprintf(text, sizeof(text), "%.*s",
	    (int)strcspn(host + (*host == '['), *host == '[' ? "]" : ":"), host + (*host == '['));
	return boot_text(out, text);
}

/* What a placeholder stands for. */
static const char *value_of(const struct boot_facts *f, enum boot_arg which, struct boot_plan *out)
{
	const char *base = f->urls->base;
	char mac[MAC_TEXT_SIZE] = "", card[MAC_TEXT_SIZE];

	if (f->vm || f->mac)
		mac_format(f->vm ? &f->vm->mac : f->mac, mac);
	switch (which) {
	case BOOT_ARG_SERVER:
		return base;
	case BOOT_ARG_SERVER_HOST:
		return server_host(f, out);
	case BOOT_ARG_IMAGE_URL:
		return boot_text(out, base, "/images/", f->image->folder);
	case BOOT_ARG_UNATTENDED_URL:
		return boot_text(out, base, "/unattended/", mac);
	case BOOT_ARG_STAGE4_URL:
		return boot_text(out, base, "/stage4/", mac);
	case BOOT_ARG_DONE_URL:
		return boot_text(out, base, "/done/", mac);
	case BOOT_ARG_MAC:
		return boot_text(out, f->mac ? mac_format(f->mac, card) : mac);
	case BOOT_ARG_NAME:
		return f->vm ? f->vm->name : STRANGER;
	case BOOT_ARG_HOSTNAME:
		return f->vm ? f->vm->hostname : STRANGER;
	case BOOT_ARG_ARCH:
		return vm_arch_name(boot_arch(f));
	case BOOT_ARG_COUNT:
		break;
	}
	return "";
}

/* The image's words with what they stand for; it refuses what would not be a word to the loader. */
static const char *expand(const struct boot_facts *f, const char *args, struct boot_plan *out)
{
	char text[2 * BOOT_ARGS_MAX];
	enum boot_arg which;
	const char *rest;
	size_t used = 0;

	out->full |= boot_args_check(args, NULL) < 0;
	for (const char *part = args; *part && !out->full; part = rest) {
		size_t len = boot_args_next(part, &rest, &which);
		const char *value = value_of(f, which, out);
		size_t more = strlen(value);

		if (len + more >= sizeof(text) - used) {
			out->full = true;
			break;
		}
		memcpy(text + used, part, len);
		memcpy(text + used + len, value, more);
		used += len + more;
	}
	text[used] = '\0';
	return boot_text(out, text);
}

static const char *of_image(
    const struct boot_facts *f, const struct image_contents *file, struct boot_plan *out)
{
	return boot_text(out, "/images/", f->image->folder, "/", file->file);
}

/* Of the image, then of the lab where the image says nothing of it, then of the definition. */
static const char *words(const struct boot_facts *f, bool unattended, struct boot_plan *out)
{
	const struct image_boot *b = &f->image->boot;
	const char *args = b->args ? expand(f, b->args, out) : "";
	const char *more =
	    unattended && b->unattended_args ? expand(f, b->unattended_args, out) : "";
	const char *own = f->vm && f->vm->kernel_args ? f->vm->kernel_args : "";
	const char *card = boot_card(f, out);
	bool console = strstr(args, "console=") || strstr(more, "console=");

	out->full |= *own && boot_args_check(own, NULL) < 0;
	return boot_text(out, *card ? "BOOTIF=" : "", card,
	    console ? "" : " console=tty0 console=", console ? "" : arch_of(boot_arch(f))->console,
	    console ? "" : ",115200", *args ? " " : "", args, *more ? " " : "", more,
	    *own ? " " : "", own);
}

static void plan_kernel(const struct boot_facts *f, bool unattended, struct boot_plan *out)
{
	const struct image_boot *b = &f->image->boot;

	out->kernel = of_image(f, &b->kernel, out);
	out->words = words(f, unattended, out);
	for (unsigned i = 0; i < b->initrds; i++)
		out->initrd[out->initrds++] = of_image(f, &b->initrd[i], out);
}

static void set(struct boot_plan *out, const char *name, const char *value)
{
	out->setting[out->settings].name = name;
	out->setting[out->settings++].value = value;
}

/* By our names, and by those that NetbootStudio's scripts have them by. */
static void plan_script(const struct boot_facts *f, bool unattended, struct boot_plan *out)
{
	const struct image_boot *b = &f->image->boot;
	const char *unattended_url = value_of(f, BOOT_ARG_UNATTENDED_URL, out);
	const char *base = f->urls->base, *images = boot_text(out, base, "/images");
	const char *host = strstr(base, "://") + 3;

	out->verb = BOOT_CHAIN;
	out->script = of_image(
	    f, unattended && b->unattended_script.file ? &b->unattended_script : &b->script, out);
	set(out, "server", base);
	set(out, "image_url", value_of(f, BOOT_ARG_IMAGE_URL, out));
	set(out, "unattended_url", unattended_url);
	set(out, "stage4_url", value_of(f, BOOT_ARG_STAGE4_URL, out));
	set(out, "done_url", value_of(f, BOOT_ARG_DONE_URL, out));
	set(out, "name", value_of(f, BOOT_ARG_NAME, out));
	set(out, "arch", value_of(f, BOOT_ARG_ARCH, out));
	set(out, "client-arch", value_of(f, BOOT_ARG_ARCH, out));
	set(out, "netboot-studio-server", host);
	set(out, "stage-server", base);
	set(out, "boot-images", images);
	set(out, "unattended-url-linux", unattended_url);
	set(out, "unattended-url-windows", unattended_url);
	set(out, "wimboot-path", boot_text(out, images, "/wimboot"));
}

void boot_plan_image(const struct boot_facts *f, bool unattended, struct boot_plan *out)
{
	const struct image_boot *b = &f->image->boot;

	out->verb = BOOT_KERNEL;
	if (b->script.file) {
		plan_script(f, unattended, out);
		return;
	}
	if (b->iso.file) {
		out->verb = BOOT_SAN;
		out->disk = of_image(f, &b->iso, out);
		return;
	}
	if (b->kernel.file)
		plan_kernel(f, unattended, out);
	if (b->efi.file) {
		out->verb = BOOT_CHAIN;
		out->efi = of_image(f, &b->efi, out);
		out->words = b->args ? expand(f, b->args, out) : "";
	}
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name, " boots ", f->image->name);
	boot_plan_image(f, false, out);
}

static void plan_once(const struct boot_facts *f, struct boot_plan *out)
{
	char attempt[BOOT_NUMBER_SIZE];

	boot_say(out, f->vm->name, " is installed by ", f->image->name, ", attempt ",
	    boot_number(f->attempt, attempt));
	boot_plan_image(f, true, out);
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_STARTED;
}

static enum boot_end expects_once(const struct boot_facts *f)
{
	if (choose_once(f).mode == &boot_mode_local)
		return boot_mode_local.expects(f);
	return BOOT_END_INSTALLED;
}

const struct boot_mode boot_mode_boot = {
    .name = "boot",
    .summary =
	"always boots the boot image that `image` names; with `unattended` that one installs, and tells when it has: the disk follows",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_BOOT,
    .started = "in its boot image",
    .plan = plan,
    .expects = expects,
};

const struct boot_mode boot_mode_unattended = {
    .name = "boot",
    .summary = "is installed by its boot image once and boots from disk from then on",
    .verb = BOOT_KERNEL,
    .needs = BOOT_NEEDS_BOOT | BOOT_NEEDS_DISK,
    .choose = choose_once,
    .plan = plan_once,
    .expects = expects_once,
};
