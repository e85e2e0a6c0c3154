/* bootloader.h - the boot loaders that an installed system may start by: a row each, with what an
 * image must hold for it. How one is put onto a disk is its file in os_installer/bootloader/, which
 * the row names.
 */
#ifndef LIB_IMAGE_BOOTLOADER_H
#define LIB_IMAGE_BOOTLOADER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/definition/vm.h"
#include "lib/machine/arch.h"

#define BOOTLOADER_PROGRAMS 2
#define BOOTLOADER_FILES 2

/* In its texts "%t" is GRUB's word for the architecture (x86_64-efi), "%e" that of UEFI's file
 * names (x64), "%a" Debian's (amd64). */
struct bootloader_kind {
	const char *name;
	enum vm_firmware firmware;
	bool secure;                         /* it starts with Secure Boot on */
	const char *files[BOOTLOADER_FILES]; /* all below /usr; a directory with its '/' */
	const char *package;                 /* Debian's that have them, joined by commas */
	const char *word;                    /* in a manifest's "provides" */
	/* Any one of these has to be there besides, below /usr/sbin or bin; the first is in
	 * "provides", too. None: nothing is needed. */
	const char *programs[BOOTLOADER_PROGRAMS];
};

/* Calls LOADER(name, members...) for each row, with GLUE() between two. Where an image has several
 * for a firmware the first is taken, and the first that is not `secure` is what is asked for where
 * it has none. */
#define BOOTLOADERS(LOADER, GLUE)                                                                  \
	LOADER(shim, .name = "shim", .firmware = VM_FIRMWARE_UEFI, .secure = true,                 \
	    .files = {"lib/shim/shim%e.efi.signed", "lib/grub/%t-signed/grub%e.efi.signed"},       \
	    .package = "shim-signed,grub-efi-%a-signed", .word = "shim-%e")                        \
	GLUE()                                                                                     \
	LOADER(grub_efi, .name = "grub-efi", .firmware = VM_FIRMWARE_UEFI,                         \
	    .files = {"lib/grub/%t/"}, .package = "grub-efi-%a", .word = "grub-%t",                \
	    .programs = {"grub-install", "grub2-install"})                                         \
	GLUE()                                                                                     \
	LOADER(grub_bios, .name = "grub-bios", .firmware = VM_FIRMWARE_BIOS,                       \
	    .files = {"lib/grub/i386-pc/"}, .package = "grub-pc-bin", .word = "grub-i386-pc",      \
	    .programs = {"grub-install", "grub2-install"})

#define BOOTLOADER_ONE(...) 1
#define BOOTLOADER_PLUS() +
enum { BOOTLOADER_COUNT = BOOTLOADERS(BOOTLOADER_ONE, BOOTLOADER_PLUS) };

extern const struct bootloader_kind bootloader_kinds[BOOTLOADER_COUNT];

/* Whether such machines can have that firmware. */
bool bootloader_suits(const struct bootloader_kind *kind, const struct arch *arch);

/* A bit for each of its files. */
unsigned bootloader_all_files(const struct bootloader_kind *kind);

/* The one that is asked for with that firmware, with Secure Boot or without; a BIOS has none. */
const struct bootloader_kind *bootloader_first(enum vm_firmware firmware, bool secure);

/* One of its texts for that architecture. Returns out. */
#define BOOTLOADER_TEXT_SIZE 100
const char *bootloader_text(const char *format, const struct arch *arch, char *out);

#endif
