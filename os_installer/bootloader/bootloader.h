/* bootloader.h - makes the installed system start by itself: initramfs, GRUB, grub.cfg, and for UEFI
 * an entry in the firmware's boot menu.
 *
 * In two steps, because a disk must never boot something that is not complete: stage() puts
 * everything in place under names no firmware looks at; after the caller has synced all of it,
 * activate() renames the EFI boot files into place. For a BIOS stage() makes GRUB's two images and
 * hands them out; writing them to the disk (disk_boot_code()) is the second step.
 */
#ifndef OS_INSTALLER_BOOTLOADER_BOOTLOADER_H
#define OS_INSTALLER_BOOTLOADER_BOOTLOADER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/plan.h"
#include "os_installer/config.h"

struct bootloader {
	char id[40];         /* the distribution's os-release ID: its directory on the EFI partition */
	char title[120];     /* its PRETTY_NAME */
	const char *file;    /* GRUB's name there, e.g. "grubx64.efi" */
	char kernel[300], initramfs[300]; /* paths in the tree */
	char cmdline[2048];               /* what grub.cfg starts the kernel with */
	const char *removable; /* the name firmware looks for without an entry, e.g. "BOOTX64.EFI" */
	/* BIOS only: */
	uint8_t boot_sector[512];
	uint8_t *core; /* owned; NULL with UEFI */
	size_t core_len;
};

/* Needs the tree at `directory` with all of the plan's file systems and the chroot mounts. Clear
 * *out with bootloader_clear(), also after a failure. */
must_check int bootloader_stage(int tree, const char *directory, const struct config *c,
    const struct plan *p, struct bootloader *out, struct err *e);

void bootloader_clear(struct bootloader *b);

/* Only renames, on the EFI partition; with a BIOS there is nothing to do in the tree. */
must_check int bootloader_activate(int tree, const struct bootloader *b, struct err *e);

/* UEFI's menu. Problems are logged and do not matter: the removable name is there. */
void bootloader_register(const struct bootloader *b, const struct plan *p);

#endif
