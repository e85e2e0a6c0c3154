#include "lib/boot/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/definition/kernel_args.h"
#include "lib/image/manifest.h"

const char *boot_join(struct boot_plan *p, const char *text, ...)
{
	char *begin = p->room + p->used;
	char *end = p->room + sizeof(p->room) - 1;
	char *at = begin;
	va_list ap;

	va_start(ap, text);
	for (; text; text = va_arg(ap, const char *))
		while (*text && at < end)
			*at++ = *text++;
	va_end(ap);
	*at = '\0';
	p->full |= at == end;
	p->used = (size_t)(at - p->room) + (at < end);
	return p->full ? "" : begin;
}

const char *boot_foreign(struct boot_plan *p, const char *text)
{
	char clean[200];
	size_t n = 0;

	for (; *text && n < sizeof(clean) - 1; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= 0x20 && c < 0x7f && !strchr("$#|&;\\{}`\"", c);
		clean[n++] = plain ? (char)c : '?';
	}
	clean[n] = '\0';
	return boot_text(p, clean);
}

const char *boot_number(unsigned n, char buf[BOOT_NUMBER_SIZE])
{
	char *p = buf + BOOT_NUMBER_SIZE - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return p;
}

enum vm_arch boot_arch(const struct boot_facts *f)
{
	return f->vm ? f->vm->arch : f->arch;
}

const char *boot_image_file(const struct boot_facts *f, const char *file, struct boot_plan *out)
{
	const char *image = f->agent_image ? f->agent_image : f->vm ? f->vm->distro : NULL;

	return boot_text(
	    out, "/images/", image ? image : "", "/", vm_arch_name(boot_arch(f)), "/", file);
}

const char *boot_card(const struct boot_facts *f, struct boot_plan *out)
{
	char card[MAC_TEXT_SIZE];

	if (!f->mac && !f->vm)
		return "";
	mac_format(f->mac ? f->mac : &f->vm->mac, card);
	for (char *c = card; (c = strchr(c, ':'));)
		*c = '-';
	return boot_text(out, "01-", card);
}

const char *boot_words(const struct boot_facts *f, const char *role, struct boot_plan *out)
{
	return boot_words_on(f, role, arch_of(boot_arch(f))->console, out);
}

/* Where our initrd asks what it is to do. */
static const char *server_words(const struct boot_facts *f, const char *role, struct boot_plan *out)
{
	bool agent = strcmp(role, BOOT_ROLE_AGENT) == 0;
	char own[MAC_TEXT_SIZE];

	return boot_text(out, f->vm ? " config_url=" : "", f->vm ? f->urls->base : "",
	    f->vm ? "/config/" : "", f->vm ? mac_format(&f->vm->mac, own) : "",
	    agent ? " agent_url=" : "", agent ? f->urls->base : "", " initrd.mode=", role,
	    " panic=30 quiet");
}

const char *boot_words_on(
    const struct boot_facts *f, const char *role, const char *console, struct boot_plan *out)
{
	const char *args = f->vm && f->vm->kernel_args ? f->vm->kernel_args : "";

	out->full |= *args && kernel_args_check(args, NULL) < 0;
	return boot_text(out, "ip=dhcp BOOTIF=", boot_card(f, out),
	    " console=tty0 console=", console, ",115200", role ? server_words(f, role, out) : "",
	    *args ? " " : "", args);
}

void boot_plan_installer(const struct boot_facts *f, const char *role, struct boot_plan *out)
{
	out->kernel = boot_image_file(f, IMAGE_KERNEL_FILE, out);
	out->words = boot_words(f, role, out);
	out->initrd[out->initrds++] =
	    boot_text(out, f->urls->initrds, "/", vm_arch_name(boot_arch(f)), "/initrd.zst");
	out->initrd[out->initrds++] = boot_image_file(f, IMAGE_MODULES_FILE, out);
}

static void begin(struct boot_plan *out)
{
	memset(out, 0, offsetof(struct boot_plan, room));
}

void boot_plan_make(const struct boot_facts *f, struct boot_choice choice, struct boot_plan *out)
{
	begin(out);
	if (f->elsewhere) {
		boot_elsewhere_plan(f, boot_choice_word(choice), out);
	} else if (choice.wait) {
		boot_wait_plan(f, choice.wait, out);
	} else {
		out->verb = choice.mode->verb;
		choice.mode->plan(f, out);
	}
}

void boot_plan_refused(const struct boot_facts *f, struct boot_plan *out)
{
	begin(out);
	boot_say(out, "kernel_args of ", f->vm ? f->vm->name : "this machine",
	    f->image ? " with those of its image" : "",
	    " cannot be passed on: too long, or a dollar sign, a hash, or a lone operator in it");
}
