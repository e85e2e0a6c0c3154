/* kexec.h - starting the installed system without firmware and boot loader: kexec_file_load(2). */
#ifndef OS_INSTALLER_BOOTLOADER_KEXEC_H
#define OS_INSTALLER_BOOTLOADER_KEXEC_H

#include "lib/err.h"

/* Reads kernel and initramfs (NULL: none) of a tree (tree.h) into memory, to be started by
 * reboot(LINUX_REBOOT_CMD_KEXEC). -ENOSYS, -EPERM and the like where the running kernel does not do
 * that; nothing has happened then. */
must_check int kexec_load(int tree, const char *kernel, const char *initramfs, const char *cmdline,
    struct err *e);

#endif
