/* efi.h - what every boot loader for UEFI does: its program under two names on the EFI partition,
 * one of its own and the removable one, and an entry in the firmware's boot menu.
 */
#ifndef OS_INSTALLER_BOOTLOADER_EFI_H
#define OS_INSTALLER_BOOTLOADER_EFI_H

#include "os_installer/bootloader/bootloader.h"

#define EFI_PARTITION "/boot/efi"
#define EFI_PATH_SIZE 300

/* Makes the two directories. */
must_check int efi_directories(const struct bootloader *b, struct err *e);

/* Brings the program `from`, a path in the tree, to its two places, as *.new. `file` is its name
 * there and has to last as long as b. `take`: `from` itself is not needed any more. */
must_check int efi_stage(
    struct bootloader *b, const char *from, const char *file, bool take, struct err *e);

/* The bootloader_ops' of every loader that used efi_stage(). Problems with the boot menu are logged
 * and do not matter: the removable name is there. */
must_check int efi_activate(struct bootloader *b, struct err *e);
must_check int efi_finish(struct bootloader *b, bool nvram, struct err *e);

/* Adds the boot menu's entry, or logs why not. */
void efi_register(
    const char *title, const struct plan_partition *esp, unsigned number, const char *file);

#endif
