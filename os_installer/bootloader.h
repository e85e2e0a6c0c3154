/* bootloader.h - makes the installed system start by itself: initramfs, GRUB on the EFI partition,
 * grub.cfg, an entry in the firmware's boot menu.
 *
 * In two steps, because a disk must never boot something that is not complete: stage() puts
 * everything in place under names no firmware looks at; after the caller has synced all of it,
 * activate() renames the EFI boot files into place.
 */
#ifndef OS_INSTALLER_BOOTLOADER_H
#define OS_INSTALLER_BOOTLOADER_H

#include "config.h"
#include "err.h"
#include "plan.h"

struct bootloader {
	char kernel_version[129];
	char id[40];         /* the distribution's os-release ID: its directory on the EFI partition */
	char title[120];     /* its PRETTY_NAME */
	const char *file;    /* GRUB's name there, e.g. "grubx64.efi" */
	char kernel[300], initramfs[300]; /* paths in the tree */
	char cmdline[2048];               /* what grub.cfg starts the kernel with */
	const char *removable; /* the name firmware looks for without an entry, e.g. "BOOTX64.EFI" */
};

/* Needs the tree at `directory` with the EFI partition on /boot/efi and the chroot mounts. */
must_check int bootloader_stage(int tree, const char *directory, const struct config *c,
    const struct plan *p, struct bootloader *out, struct err *e);

/* Only renames, on the EFI partition. */
must_check int bootloader_activate(int tree, const struct bootloader *b, struct err *e);

/* The firmware's menu. Problems are logged and do not matter: the removable name is there. */
void bootloader_register(const struct bootloader *b, const struct plan *p);

#endif
