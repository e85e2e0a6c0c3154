#include "vmlab/judge/preflight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/boot/raspberry.h"
#include "lib/unattended/format.h"
#include "lib/base/human.h"
#include "vmlab/judge/preflight_network.h"
#include "lib/base/size.h"

#define MIB (UINT64_C(1) << 20)
#define DISK_MAX_BYTES (UINT64_C(64) << 40)

/* What firmware, iPXE, kernel, initrd and installer take, and how often the compressed kernel and
 * drivers lie in memory when everything is loaded and unpacked. Measured on amd64: with UEFI 176
 * MiB fail and 208 MiB start the installer, with BIOS 128 MiB do. */
#define MEMORY_UEFI_BYTES (128 * MIB)
#define MEMORY_BIOS_BYTES (64 * MIB)
#define KERNEL_TIMES 3
#define MODULES_TIMES 6
/* A boot image's initrds lie there packed and unpacked. */
#define INITRD_TIMES 4
#define MEMORY_STEP (16 * MIB)

__attribute__((format(printf, 4, 5))) static void find(
    struct preflight *p, bool fatal, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (p->count == PREFLIGHT_MAX)
		return;
	struct preflight_finding *f = &p->finding[p->count++];
	f->fatal = fatal;
	f->field = field;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

bool preflight_fatal(const struct preflight *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->finding[i].fatal)
			return true;
	return false;
}

/* ---- the image --------------------------------------------------------------------------- */

static void check_image(const struct subject *s, struct preflight *p)
{
	char loader[BOOTLOADER_TEXT_SIZE];
	const struct vm *vm = s->vm;
	const char *name = boot_image_name(vm);
	const char *field = boot_image_use(vm) == IMAGE_INSTALLED ? "distro" : "image";

	if (!s->has_image && !s->adopted && s->backups_silent)
		find(p, false, field,
		    "there is no image %s for %s but perhaps a backup, which the stack has and tells while it runs (vmlab up); if there is none, it waits: %s",
		    name, vm_arch_name(vm->arch), s->advice);
	else if (!s->has_image && !s->adopted)
		find(p, false, field, "there is no image %s for %s, so it waits: %s", name,
		    vm_arch_name(vm->arch), s->advice);
	else if (s->unreadable[0])
		find(p, false, field, "%s", s->unreadable);
	else if (s->misuse.what[0])
		find(p, true, field, "the image %s cannot be taken: %s; %s", name, s->misuse.what,
		    s->misuse.advice);
	else if (s->lack[0])
		find(p, false, field, "the image %s for %s cannot be used, so it waits: %s; %s",
		    name, vm_arch_name(vm->arch), s->lack, s->advice);
	else if (boot_mode_of(vm)->needs & BOOT_NEEDS_IMAGE &&
		 boot_mode_of(vm)->needs & BOOT_NEEDS_DISK && subject_lacks_loader(s, loader))
		find(p, false, vm->firmware == VM_FIRMWARE_BIOS ? "firmware" : "distro",
		    "the image %s has no %s: the installed system would not boot; build the image again, or import one that has it",
		    vm->distro, loader);
}

static void check_menu(const struct subject *s, struct preflight *p)
{
	if (s->menu_lack[0])
		find(p, false, "menu_default", "its menu begins with the disk in place of %s: %s",
		    s->vm->menu_default, s->menu_lack);
}

/* cloud-init leaves out in silence what its renderer cannot do. */
static void check_network(const struct subject *s, struct preflight *p)
{
	const char *wants = preflight_network_wants(json_object_get(s->vm->more, "network_config"));

	if (wants && s->has_image && !preflight_network_can(s->image.network_renderers))
		find(p, false, "network_config",
		    "the image %s cannot set up %s: it has systemd-networkd and no netplan; build it again (vmlab image build), or import one with netplan.io",
		    s->vm->distro, wants);
}

/* pvmlab's "pxeboot": false with files of its own. */
static void check_own_kernel(const struct subject *s, struct preflight *p)
{
	for (unsigned i = 0; i < s->own_gap_count; i++)
		find(p, false, s->own_gaps[i].field, "%s, so it waits: %s", s->own_gaps[i].what,
		    s->own_gaps[i].advice);
}

/* A board's own firmware asks for no image by name, and waits for none: it goes on to what comes
 * next in its boot order. */
static void check_raspberry_image(const struct subject *s, struct preflight *p)
{
	if (!s->has_image)
		find(p, false, "serial",
		    "there is no image " RASPBERRY_IMAGE
		    ", so this Raspberry Pi finds nothing to boot here: %s",
		    s->advice);
	else if (s->unreadable[0])
		find(p, false, "serial", "%s", s->unreadable);
	else if (s->misuse.what[0])
		find(p, false, "serial", "the image " RASPBERRY_IMAGE " cannot be taken: %s; %s",
		    s->misuse.what, s->misuse.advice);
	else if (s->lack[0])
		find(p, false, "serial",
		    "the image " RASPBERRY_IMAGE
		    " cannot be used: %s; build it again: vmlab image build " RASPBERRY_IMAGE,
		    s->lack);
}

/* No error: a server for arm64 may have such a serial number, too. */
static void check_raspberry_mode(const struct vm *vm, struct preflight *p)
{
	char folder[RASPBERRY_FOLDER_SIZE], said[BOOT_MODE_SAID_SIZE];
	const struct boot_mode *mode = boot_mode_of(vm);

	if (raspberry_folder(vm, folder) && mode != &boot_mode_local && mode != &boot_mode_off)
		find(p, false, "serial",
		    "8 hexadecimal digits are a Raspberry Pi's, and its firmware can do nothing with %s: it knows neither iPXE nor an EFI partition; write \"mode\": \"shell\", \"local\" or \"off\" if it is one",
		    boot_mode_said(vm, said));
}

/* A file of pvmlab's tool, as it seems: what is meant differently is to be seen. */
static void check_role(const struct vm *vm, struct preflight *p)
{
	if (!vm->pxeboot && vm->role && *vm->role && boot_mode_of(vm) == &boot_mode_local)
		find(p, false, "role",
		    "it boots its disk and is not installed, as a file with \"role\" is pvmlab's, which leaves \"pxeboot\" out where it is false: write \"pxeboot\": true to have %s",
		    boot_mode_at(vm->mode) == &boot_mode_install ? "it installed" : "its \"mode\"");
}

/* ---- the machine ------------------------------------------------------------------------- */

static uint64_t base_memory(const struct vm *vm)
{
	return vm->firmware == VM_FIRMWARE_BIOS ? MEMORY_BIOS_BYTES : MEMORY_UEFI_BYTES;
}

static const char *memory_text(uint64_t bytes, char text[SIZE_TEXT_SIZE])
{
	return size_text_short((bytes + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP, text);
}

uint64_t preflight_min_memory(const struct subject *s)
{
	return base_memory(s->vm) + KERNEL_TIMES * s->image.kernel.size_bytes +
	       MODULES_TIMES * s->image.modules.size_bytes;
}

static void check_memory(const struct subject *s, struct preflight *p)
{
	uint64_t least = preflight_min_memory(s), has = s->vm->memory_bytes;
	/* Where less was seen to fail it is certain, elsewhere likely. */
	bool certain = s->vm->arch == VM_ARCH_AMD64 && s->vm->firmware == VM_FIRMWARE_UEFI;
	char a[SIZE_TEXT_SIZE], b[SIZE_TEXT_SIZE];

	if (has < least)
		find(p, certain, "memory",
		    "%s of memory are too little for the installer, which needs %s%s: kernel, initrd and drivers have to fit",
		    size_text_short(has, a), s->has_image ? "" : "more than ",
		    memory_text(least, b));
}

/* What its system's documentation asks for, and what its kernel and initrds take. */
static uint64_t boot_memory(const struct subject *s, const char *image)
{
	const struct image_boot *boot = &s->image.boot;
	const struct unattended_format *format =
	    unattended_format_of_image(boot->unattended_format, image);
	uint64_t asked = format ? format->memory_bytes : 0, loaded = 0;

	for (unsigned i = 0; i < boot->initrds; i++)
		loaded += INITRD_TIMES * boot->initrd[i].size_bytes;
	if (loaded)
		loaded += base_memory(s->vm) + KERNEL_TIMES * boot->kernel.size_bytes;
	return asked > loaded ? asked : loaded;
}

/* Such an image tells nothing of it: its kernel panics, or its installer is killed. */
static void check_boot_memory(const struct subject *s, struct preflight *p)
{
	const char *image = boot_image_name(s->vm);
	uint64_t least = image ? boot_memory(s, image) : 0, has = s->vm->memory_bytes;
	char a[SIZE_TEXT_SIZE], b[SIZE_TEXT_SIZE];

	if (has < least)
		find(p, false, "memory",
		    "%s of memory are too little for the image %s, which needs about %s: with less its kernel may panic or its programs be killed, and only its screen tells",
		    size_text_short(has, a), image, memory_text(least, b));
}

static void check_host_memory(const struct subject *s, struct preflight *p)
{
	uint64_t has = s->vm->memory_bytes;
	char a[SIZE_TEXT_SIZE], b[SIZE_TEXT_SIZE];

	if (s->host_memory_bytes && has > s->host_memory_bytes)
		find(p, false, "memory", "%s of memory are more than this machine has, %s",
		    size_text_short(has, a), size_text_short(s->host_memory_bytes, b));
}

static void check_cpus(const struct subject *s, struct preflight *p)
{
	if (s->host_cpus && s->vm->cpus > s->host_cpus)
		find(p, false, "cpus",
		    "%u processors are more than this machine has, %u: they share", s->vm->cpus,
		    s->host_cpus);
}

/* The disk of a real machine: that a VM's own is too small tells nothing of it. */
static void check_matched_disk(const struct subject *s, struct preflight *p)
{
	uint64_t most = s->match.max_bytes ? s->match.max_bytes : DISK_MAX_BYTES;
	uint64_t own = s->vm->disk_bytes[0];
	struct err e = ERR_INIT;
	struct plan plan = {0};
	char text[SIZE_TEXT_SIZE];

	if (subject_plan(s, most, &plan, &e) < 0)
		find(p, true, "disks", "%s", e.msg);
	else if (own < s->match.min_bytes || subject_plan(s, own, &plan, &e) < 0)
		find(p, false, "disks",
		    "as a VM it gets a disk of %s, as it says no \"size\", and that is too small: good for a real machine only",
		    size_text_short(own, text));
}

static void check_disk(const struct subject *s, struct preflight *p)
{
	struct err e = ERR_INIT;
	struct plan plan = {0};

	if (s->vm->disk_count == 0)
		find(p, true, "disks",
		    "it has no disk to install on: add one, such as [{\"size\": \"10G\"}]");
	else if (s->by_match)
		check_matched_disk(s, p);
	else if (subject_plan(s, s->vm->disk_bytes[0], &plan, &e) < 0)
		find(p, true, "disks", "%s", e.msg);
}

void preflight_check(const struct subject *s, struct preflight *out)
{
	unsigned needs = boot_mode_of(s->vm)->needs;

	out->count = 0;
	if (raspberry_served(s->vm)) {
		check_raspberry_image(s, out);
		return;
	}
	check_raspberry_mode(s->vm, out);
	check_role(s->vm, out);
	check_own_kernel(s, out);
	if (needs & (BOOT_NEEDS_IMAGE | BOOT_NEEDS_BOOT))
		check_image(s, out);
	check_menu(s, out);
	if (needs & BOOT_NEEDS_IMAGE && needs & BOOT_NEEDS_DISK) {
		check_network(s, out);
		check_disk(s, out);
	}
	if (needs & BOOT_NEEDS_IMAGE)
		check_memory(s, out);
	if (needs & BOOT_NEEDS_BOOT)
		check_boot_memory(s, out);
	if (needs & (BOOT_NEEDS_IMAGE | BOOT_NEEDS_BOOT))
		check_host_memory(s, out);
	check_cpus(s, out);
}
