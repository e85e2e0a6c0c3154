/* iPXE's scripts. It expands ${...}, ends a command at the words || && and ;, and drops words from
 * # on. */
#include <string.h>

#include "lib/boot/script.h"

#define SAY "echo vmlab: "

static void put_line(struct text *t, const char *line)
{
	put(t, SAY);
	for (const char *end; (end = strchr(line, *BOOT_ITS_ARCH)); line = end + 1) {
		put_bytes(t, line, (size_t)(end - line));
		put(t, "${buildarch}");
	}
	put(t, line);
	put(t, "\n");
}

/* Without the end of the line. */
static void put_ask(struct text *t, const struct boot_facts *f)
{
	char mac[MAC_TEXT_SIZE];

	put(t, "chain --replace ");
	put(t, f->urls->base);
	put(t, "/ipxe?mac=");
	put(t, f->mac ? mac_format(f->mac, mac) : "${net0/mac}");
	put(t, BOOT_IPXE_SHOWS);
}

/* Ask again, for ever: what follows the label never falls through. */
static void put_again(struct text *t, const struct boot_facts *f)
{
	put(t, ":again\nsleep ");
	put_number(t, BOOT_WAIT_S);
	put(t, "\n");
	put_ask(t, f);
	put(t, " || goto again\n");
}

static void put_wait(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	if (plan->renew)
		put(t, "dhcp ||\n");
	if (plan->prompt) {
		put(t, "shell ||\n");
		put_ask(t, f);
		put(t, " || goto again\n");
	}
	put_again(t, f);
}

/* UEFI: drive 0 stands for any local disk that has the architecture's removable-media loader. Where
 * none has, status 1 goes on to the firmware's next boot option (0 would end in its menu); that is
 * not the first choice because firmware tries HTTP boot before the disk, which costs a minute. An
 * iPXE from a CD or stick of ours would find that medium again: it says itself which drive is the
 * disk, or "next" (docker/loaders/medium.sh). */
static void put_disk(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	(void)plan;
	(void)f;
	put(t, "isset ${medium-disk} && goto medium ||\n"
	       "iseq ${platform} pcbios && goto bios ||\n"
	       "sanboot --no-describe --drive 0 || exit 1\n"
	       ":bios\n"
	       "sanboot --no-describe --drive 0x80 || exit 1\n"
	       ":medium\n"
	       "iseq ${medium-disk} next && exit 1 ||\n"
	       "sanboot --no-describe --drive ${medium-disk} || exit 1\n");
}

/* Status 1: see put_disk(). A BIOS takes either as the end of this device. */
static void put_next(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	(void)plan;
	(void)f;
	put(t, "exit 1\n");
}

static void put_url(struct text *t, const struct boot_facts *f, const char *path)
{
	put(t, f->urls->base);
	put(t, path);
}

/* What follows when nothing was started. */
static void put_failed(struct text *t, const struct boot_facts *f)
{
	put(t, ":failed\n"
	       "imgfree\n" SAY "loading failed, asking again in ");
	put_number(t, BOOT_WAIT_S);
	put(t, " s\n");
	put_again(t, f);
}

/* Images left from an earlier, half-successful try would be handed to the kernel, too.
 * U-Boot, which calls itself so in SMBIOS and its card's bus "EFI", lets some cards (e1000) receive
 * on into what is the kernel's memory by then: a late segment overwrote a page table. 11 s: nginx
 * has closed the last connection. The dots are there for a machine without SMBIOS: iseq takes two
 * words. */
static void load_kernel(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put(t, "imgfree\nkernel ");
	put_url(t, f, plan->kernel);
	put(t, plan->initrds ? " initrd=initrd.magic " : " ");
	put(t, plan->words);
	put(t, " || goto failed\n");
	for (unsigned i = 0; i < plan->initrds; i++) {
		put(t, "initrd ");
		put_url(t, f, plan->initrd[i]);
		put(t, " || goto failed\n");
	}
	put(t,
	    "iseq ${netX/bustype} EFI && iseq ${smbios/0.4.0:uristring}. U-Boot. && sleep 11 ||\n"
	    "boot || goto failed\n");
}

static void put_kernel(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	load_kernel(t, plan, f);
	put_failed(t, f);
}

static void put_settings(struct text *t, const struct boot_plan *plan)
{
	for (unsigned i = 0; i < plan->settings; i++) {
		put(t, "set ");
		put(t, plan->setting[i].name);
		put(t, " ");
		put(t, plan->setting[i].value);
		put(t, "\n");
	}
}

/* A program or script that ends by itself is no failure, and started again after a while. */
static void put_ended(struct text *t, const struct boot_facts *f)
{
	put(t, SAY "it has ended, asking again in ");
	put_number(t, BOOT_WAIT_S);
	put(t, " s\ngoto again\n");
	put_failed(t, f);
}

static void put_chain(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put_settings(t, plan);
	if (plan->efi && plan->kernel) {
		put(t, "iseq ${platform} pcbios || goto efi\n");
		load_kernel(t, plan, f);
		put(t, ":efi\n");
	} else if (plan->efi) {
		put(t, "iseq ${platform} pcbios || goto efi\n" SAY
		       "this image is a program for UEFI, and this machine was started by a BIOS\n"
		       "goto again\n"
		       ":efi\n");
	}
	put(t, "imgfree\nchain --autofree ");
	put_url(t, f, plan->efi ? plan->efi : plan->script);
	if (plan->efi && *plan->words) {
		put(t, " ");
		put(t, plan->words);
	}
	put(t, " || goto failed\n");
	put_ended(t, f);
}

static void put_san(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put(t, "sanboot --no-describe ");
	put_url(t, f, plan->disk);
	put(t, " || goto failed\n");
	put_ended(t, f);
}

/* It is left by Escape, too: then it is shown anew. */
static void put_menu(struct text *t, const struct boot_plan *plan, const struct boot_facts *f)
{
	put(t, ":menu\nmenu vmlab: ");
	put(t, plan->line[0]);
	for (unsigned i = 0; i < plan->items; i++) {
		put(t, "\nitem ");
		put(t, *plan->item[i].name ? plan->item[i].name : "--gap");
		put(t, " ");
		put(t, plan->item[i].says);
	}
	put(t, "\nchoose --default ");
	put(t, plan->preset);
	if (plan->timeout_s > 0) {
		put(t, " --timeout ");
		put_number(t, plan->timeout_s);
		put(t, "000");
	}
	put(t, " choice || goto menu\n");
	put_ask(t, f);
	put(t, "&choose=${choice} || goto failed\n:failed\n" SAY "no answer, asking again in ");
	put_number(t, BOOT_WAIT_S);
	put(t, " s\n");
	put_again(t, f);
}

static size_t render(const struct boot_plan *plan, const struct boot_facts *f, char *buf)
{
	static void (*const verbs[])(
	    struct text *t, const struct boot_plan *plan, const struct boot_facts *f) = {
	    [BOOT_WAIT] = put_wait,
	    [BOOT_DISK] = put_disk,
	    [BOOT_KERNEL] = put_kernel,
	    [BOOT_NEXT] = put_next,
	    [BOOT_CHAIN] = put_chain,
	    [BOOT_SAN] = put_san,
	    [BOOT_MENU] = put_menu,
	};
	struct text t = {buf, 0, plan->full};

	put(&t, "#!ipxe\n");
	if (plan->remark) {
		put(&t, "# ");
		put(&t, plan->remark);
		put(&t, "\n");
	}
	for (unsigned i = 0; i < plan->lines; i++)
		put_line(&t, plan->line[i]);
	verbs[plan->verb](&t, plan, f);
	return put_end(&t, f, render);
}

const struct boot_loader boot_loader_ipxe = {
    .name = "ipxe",
    .content_type = "text/plain",
    .render = render,
};
