#include "boot_handler/documents/boot.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/definition/kernel_args.h"

const char *boot_decision_name(enum boot_decision decision)
{
	switch (decision) {
	case BOOT_INSTALL:
		return "install";
	case BOOT_SHELL:
		return "shell";
	case BOOT_LOCAL:
		return "local";
	case BOOT_KERNEL:
		return "kernel";
	case BOOT_NO_IMAGE:
		return "no-image";
	case BOOT_FAILED:
		return "failed";
	case BOOT_UNKNOWN:
	case BOOT_WRONG_ARCH:
		break;
	}
	return "wait";
}

static bool arch_differs(const struct vm *vm, enum vm_arch arch)
{
	return arch != VM_ARCH_NOT_SAID && arch != vm->arch;
}

/* What the definition and the past ask for, whether or not it can be had. */
static enum boot_decision wanted(const struct vm *vm, struct boot_memory memory)
{
	if (!vm->pxeboot)
		return vm->kernel && vm->initrd ? BOOT_KERNEL : BOOT_LOCAL;
	if (vm->mode == VM_MODE_LOCAL)
		return BOOT_LOCAL;
	if (vm->mode == VM_MODE_SHELL)
		return BOOT_SHELL;
	if (memory.reinstall)
		return BOOT_INSTALL;
	if (memory.local || memory.state == MACHINE_INSTALLED || memory.state == MACHINE_READY)
		return BOOT_LOCAL;
	return memory.state == MACHINE_FAILED ? BOOT_FAILED : BOOT_INSTALL;
}

enum boot_decision boot_decide(
    const struct vm *vm, struct boot_memory memory, bool has_image, enum vm_arch arch)
{
	if (!vm)
		return BOOT_UNKNOWN;

	enum boot_decision decision = wanted(vm, memory);
	if (decision == BOOT_LOCAL || decision == BOOT_FAILED)
		return decision;
	if (arch_differs(vm, arch))
		return BOOT_WRONG_ARCH;
	if (decision != BOOT_KERNEL && !has_image)
		return BOOT_NO_IMAGE;
	return decision;
}

static bool url_characters(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-._~:/[]%")] == '\0';
}

bool boot_url_valid(const char *url)
{
	size_t len = strlen(url);
	const char *host = NULL;

	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	return host && *host && *host != '/' && len <= 200 && url[len - 1] != '/' &&
	       url_characters(url);
}

bool boot_path_valid(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && len > 1 && len <= 100 && path[len - 1] != '/' &&
	       url_characters(path) && !strpbrk(path, ":[]");
}

/* ---- the emitter ------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t len;
	bool full;
};

/* For text of ours, and for values that were validated to hold nothing iPXE interprets. */
static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (n > BOOT_SCRIPT_MAX - 1 - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
}

static void put_number(struct text *t, unsigned n)
{
	char digits[16];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	put(t, p);
}

static void put_mac(struct text *t, const struct mac *mac, char separator)
{
	static const char digit[] = "0123456789abcdef";
	char s[MAC_TEXT_SIZE];

	for (int i = 0; i < 6; i++) {
		s[3 * i] = digit[mac->octet[i] >> 4];
		s[3 * i + 1] = digit[mac->octet[i] & 15];
		s[3 * i + 2] = separator;
	}
	s[17] = '\0';
	put(t, s);
}

/* Any text, for an echo: what iPXE might interpret becomes '?'. */
static void put_said(struct text *t, const char *s)
{
	char clean[200];
	size_t n = 0;

	for (; *s && n < sizeof(clean) - 1; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = c >= 0x20 && c < 0x7f && !strchr("$#|&;\\{}`\"", c);
		clean[n++] = plain ? (char)c : '?';
	}
	clean[n] = '\0';
	put(t, clean);
}

/* Ask again, for ever: what follows the label never falls through. */
static void put_again(struct text *t, const struct boot_script *s)
{
	put(t, ":again\nsleep ");
	put_number(t, BOOT_WAIT_S);
	put(t, "\nchain --replace ");
	put(t, s->urls->base);
	put(t, "/ipxe?mac=");
	if (s->mac)
		put_mac(t, s->mac, ':');
	else
		put(t, "${net0/mac}");
	put(t, "&arch=${buildarch}&uuid=${uuid}&serial=${serial:uristring} || goto again\n");
}

static void put_image(struct text *t, const struct boot_script *s, const char *file)
{
	put(t, s->urls->base);
	put(t, "/images/");
	put(t, s->vm->distro ? s->vm->distro : "");
	put(t, "/");
	put(t, vm_arch_name(s->vm->arch));
	put(t, "/");
	put(t, file);
}

static void put_arguments(struct text *t, const struct boot_script *s, const char *mode)
{
	put(t, " initrd=initrd.magic ip=dhcp BOOTIF=01-");
	put_mac(t, s->mac ? s->mac : &s->vm->mac, '-');
	put(t, " console=tty0 console=");
	put(t, arch_of(s->vm->arch)->console);
	put(t, ",115200");
	if (mode) {
		put(t, " config_url=");
		put(t, s->urls->base);
		put(t, "/config/");
		put_mac(t, &s->vm->mac, ':');
		put(t, " initrd.mode=");
		put(t, mode);
		put(t, " panic=30 quiet");
	}
	if (s->vm->kernel_args && s->vm->kernel_args[0]) {
		put(t, " ");
		put(t, s->vm->kernel_args);
	}
	put(t, " || goto failed\n");
}

/* Images left from an earlier, half-successful try would be handed to the kernel, too. */
static void put_boot_failed(struct text *t, const struct boot_script *s)
{
	put(t, "boot || goto failed\n"
	       ":failed\n"
	       "imgfree\n"
	       "echo vmlab: loading failed, asking again in ");
	put_number(t, BOOT_WAIT_S);
	put(t, " s\n");
	put_again(t, s);
}

static void write_ours(struct text *t, const struct boot_script *s)
{
	bool install = s->decision == BOOT_INSTALL;

	put(t, "echo vmlab: ");
	put(t, s->vm->name);
	if (install) {
		put(t, " installs ");
		put(t, s->vm->distro);
		put(t, ", attempt ");
		put_number(t, s->attempt);
	} else {
		put(t, " starts a shell");
	}
	put(t, "\nimgfree\nkernel ");
	put_image(t, s, "vmlinuz");
	put_arguments(t, s, install ? "install" : "shell");
	put(t, "initrd ");
	put(t, s->urls->base);
	put(t, s->urls->initrds);
	put(t, "/");
	put(t, vm_arch_name(s->vm->arch));
	put(t, "/initrd.zst || goto failed\ninitrd ");
	put_image(t, s, "modules.cpio.zst");
	put(t, " || goto failed\n");
	put_boot_failed(t, s);
}

static void write_kernel(struct text *t, const struct boot_script *s)
{
	put(t, "echo vmlab: ");
	put(t, s->vm->name);
	put(t, " boots its own kernel\nimgfree\nkernel ");
	put_image(t, s, s->vm->kernel);
	put_arguments(t, s, NULL);
	put(t, "initrd ");
	put_image(t, s, s->vm->initrd);
	put(t, " || goto failed\n");
	put_boot_failed(t, s);
}

/* UEFI: drive 0 stands for any local disk that has the architecture's removable-media loader. Where
 * none has, status 1 goes on to the firmware's next boot option (0 would end in its menu); that is
 * not the first choice because firmware tries HTTP boot before the disk, which costs a minute. */
static void write_local(struct text *t, const struct boot_script *s)
{
	put(t, "echo vmlab: ");
	put(t, s->vm->name);
	put(t, " boots from its disk\n"
	       "iseq ${platform} pcbios && goto bios ||\n"
	       "sanboot --no-describe --drive 0 || exit 1\n"
	       ":bios\n"
	       "sanboot --no-describe --drive 0x80 || exit 1\n");
}

static void write_failed(struct text *t, const struct boot_script *s)
{
	const char *phase = machine_phase_name(s->error_phase);

	put(t, "echo vmlab: the installation of ");
	put(t, s->vm->name);
	put(t, " failed");
	if (phase) {
		put(t, " in phase ");
		put(t, phase);
	}
	put(t, "\necho vmlab: ");
	put_said(
	    t, s->error_reason && s->error_reason[0] ? s->error_reason : "no reason was given");
	put(t, "\necho vmlab: waiting for: vmlab reinstall ");
	put(t, s->vm->name);
	put(t, "\n");
	put_again(t, s);
}

static void write_unknown(struct text *t, const struct boot_script *s)
{
	put(t, "echo vmlab: no definition in vms/ has this machine");
	if (s->mac) {
		put(t, ": mac ");
		put_mac(t, s->mac, ':');
	}
	put(t, "\necho vmlab: it starts by itself once there is one\n");
	put_again(t, s);
}

static void write_no_image(struct text *t, const struct boot_script *s)
{
	const char *distro = s->vm->distro ? s->vm->distro : "debian-13";

	put(t, "echo vmlab: ");
	put(t, s->vm->name);
	put(t, " waits for the image images/");
	put(t, distro);
	put(t, "/");
	put(t, vm_arch_name(s->vm->arch));
	put(t, "\necho vmlab: ");
	put_said(t, s->missing ? s->missing : "it is not there");
	if (s->advice) {
		put(t, "\necho vmlab: ");
		put_said(t, s->advice);
	}
	put(t, "\n");
	put_again(t, s);
}

static void write_wrong_arch(struct text *t, const struct boot_script *s)
{
	put(t, "echo vmlab: ");
	put(t, s->vm->name);
	put(t, " is defined as ");
	put(t, vm_arch_name(s->vm->arch));
	put(t, " but this machine is ${buildarch}: correct its arch in vms/\n");
	put_again(t, s);
}

static void write_refusal(struct text *t, const struct boot_script *s)
{
	put(t, "#!ipxe\necho vmlab: kernel_args of ");
	put(t, s->vm ? s->vm->name : "this machine");
	put(t, " cannot be passed on: too long, or a dollar sign, a hash, ");
	put(t, "or a lone operator in it\n");
	put_again(t, s);
}

static void put_other_card(struct text *t, const struct boot_script *s)
{
	put(t, "\necho vmlab: this card has the UUID or serial number of ");
	put(t, s->vm->name);
	put(t, ", whose own card is there: ready, or heard of within the last hour\n"
	       "echo vmlab: nothing was changed; if this is its card from now on, set mac in vms/");
	put(t, s->vm->name);
	put(t, ".json");
	if (s->mac) {
		put(t, " to ");
		put_mac(t, s->mac, ':');
	}
	put(t, "\n");
}

static void put_elsewhere(struct text *t, const struct boot_script *s)
{
	put(t, "\necho vmlab: ");
	put(t, s->vm->name);
	put(t, " boots from its own address only, and this request came from ");
	put_said(t, s->elsewhere[0] ? s->elsewhere : "nowhere");
	put(t,
	    "\necho vmlab: nothing was changed; where another DHCP server gives the addresses, start the stack with GUEST_ACCESS=any\n");
	/* Should the lease have been told to nobody: asking again tells it once more. */
	put(t, "dhcp ||\n");
}

/* Whoever looks sees what the machine would do; a machine that runs this has no right to do it. */
static void write_elsewhere(struct text *t, const struct boot_script *s)
{
	put(t, "# what ");
	put(t, s->vm->name);
	put(t, " itself would get: ");
	put(t, boot_decision_name(s->decision));
	if (s->other_card)
		put_other_card(t, s);
	else
		put_elsewhere(t, s);
	put_again(t, s);
}

size_t boot_script_write(const struct boot_script *s, char *buf)
{
	static void (*const writers[])(struct text *t, const struct boot_script *s) = {
	    [BOOT_UNKNOWN] = write_unknown,
	    [BOOT_INSTALL] = write_ours,
	    [BOOT_SHELL] = write_ours,
	    [BOOT_LOCAL] = write_local,
	    [BOOT_KERNEL] = write_kernel,
	    [BOOT_NO_IMAGE] = write_no_image,
	    [BOOT_FAILED] = write_failed,
	    [BOOT_WRONG_ARCH] = write_wrong_arch,
	};
	struct text t = {buf, 0, false};

	if (s->elsewhere) {
		put(&t, "#!ipxe\n");
		write_elsewhere(&t, s);
	} else if (!s->vm || !s->vm->kernel_args ||
		   kernel_args_check(s->vm->kernel_args, NULL) == 0) {
		put(&t, "#!ipxe\n");
		writers[s->decision](&t, s);
	} else {
		t.full = true;
	}
	if (t.full) {
		t = (struct text){buf, 0, false};
		write_refusal(&t, s);
	}
	buf[t.len] = '\0';
	return t.len;
}
