/* kexec.h - starting the installed system without firmware and boot loader: kexec_file_load(2), or
 * kexec_load(2) where a kernel has but that, as Debian's for arm64. */
#ifndef OS_INSTALLER_BOOTLOADER_KEXEC_H
#define OS_INSTALLER_BOOTLOADER_KEXEC_H

#include "lib/definition/vm.h"
#include "os_installer/bootloader/bootloader.h"

/* Where *after says kexec, reads kernel and initramfs into memory, to be started by
 * reboot(LINUX_REBOOT_CMD_KEXEC). Where that cannot be, says so and *after becomes a reboot. The
 * tree has to be open and mounted. */
void kexec_prepare(enum vm_after *after, const struct bootloader *b);

/* Reads them into memory, from a tree; `initramfs` may be NULL. */
must_check int kexec_load(
    int tree, const char *kernel, const char *initramfs, const char *cmdline, struct err *e);

/* Where *after says kexec, says why there is none and *after becomes a reboot. */
void kexec_decline(enum vm_after *after, const char *why);

#endif
