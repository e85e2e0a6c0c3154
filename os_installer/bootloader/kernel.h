/* kernel.h - the installed system's kernel, its initramfs and the words it is started with. */
#ifndef OS_INSTALLER_BOOTLOADER_KERNEL_H
#define OS_INSTALLER_BOOTLOADER_KERNEL_H

#include "lib/image/boot_files.h"
#include "lib/base/err.h"
#include "lib/plan/plan.h"

struct kernel {
	char version[BOOT_VERSION_SIZE];
	char path[BOOT_FILE_SIZE]; /* "/boot/vmlinuz-..." */
	char initramfs[BOOT_FILE_SIZE];
};

/* Finds the kernel of that version (NULL: whichever), else the newest, and its initramfs, which the
 * image's own program makes in a chroot of `directory` when there is none. */
must_check int kernel_prepare(
    int tree, const char *directory, const char *version, struct kernel *out, struct err *e);

/* Finds the newest kernel, and its initramfs: "" when there is none. Changes nothing. */
must_check int kernel_find(int tree, struct kernel *out, struct err *e);

/* Its command line: root, console, what the initramfs has to be told, `args` (the definition's; may
 * be NULL). Words with one blank between, none quoted; the caller frees *out. */
must_check int kernel_cmdline(int tree, const struct plan *p, const char *console, const char *args,
    char **out, struct err *e);

/* The pure part of it. `initramfs_args` may be NULL. */
must_check int kernel_cmdline_render(const char *root_uuid, const char *console,
    const char *initramfs_args, const char *args, char **out, struct err *e);

#endif
