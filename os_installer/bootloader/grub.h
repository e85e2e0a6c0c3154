/* grub.h - what is the same of GRUB for every firmware: its installer and its configuration. */
#ifndef OS_INSTALLER_BOOTLOADER_GRUB_H
#define OS_INSTALLER_BOOTLOADER_GRUB_H

#include "os_installer/bootloader/bootloader.h"

/* Whether the image has a GRUB for that target ("x86_64-efi") and what installs it. */
bool grub_present(const struct bootloader *b, const char *target);

/* On the EFI partition, one for each name that GRUB may be started by: where its configuration is.
 * grub_efi.c */
must_check int grub_stubs_write(const struct bootloader *b, struct err *e);

/* Runs the image's grub-install; `options` follow the program's name. */
must_check int grub_install(
    const struct bootloader *b, const char *target, const char *const *options, struct err *e);

/* grub.cfg, and what update-grub needs to make one like it. */
must_check int grub_configure(const struct bootloader *b, struct err *e);

/* Writes a text, which may be NULL for want of memory, and frees it. */
must_check int grub_text_write(int tree, const char *path, char *text, struct err *e);

#endif
