/* bootloader.h - makes the installed system start by itself: kernel and initramfs, and a boot
 * loader, of which there is a table, a file for each beside this one.
 *
 * In steps, because a disk must never boot something that is not complete: stage() puts everything
 * in place under names no firmware looks at; after the caller has synced all of it, activate()
 * gives the boot files their names; finish() does what needs the disk unmounted.
 */
#ifndef OS_INSTALLER_BOOTLOADER_BOOTLOADER_H
#define OS_INSTALLER_BOOTLOADER_BOOTLOADER_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/image/bootloader.h"
#include "lib/plan/plan.h"
#include "os_installer/bootloader/kernel.h"
#include "lib/machine/arch.h"
#include "os_installer/bootloader/release.h"
#include "os_installer/base/config.h"

struct bootloader_ops;

/* The start of one installed system. */
struct bootloader {
	/* Given; borrowed. */
	int tree;              /* system/tree.h */
	const char *directory; /* where the tree is */
	const struct config *config;
	const struct plan *plan;
	/* Found before the loader's stage(). */
	const struct arch *arch;
	struct release release;
	struct kernel kernel;
	char *cmdline; /* what the kernel is to be started with; owned */
	/* The loader that was chosen, and what it keeps. */
	const struct bootloader_kind *kind;
	const struct bootloader_ops *ops;
	char efi_file[32]; /* its name on the EFI partition, below /EFI/<release.id>: efi.h */
	void *own;         /* malloc()ed */
};

/* A loader. All are for a tree with all of the plan's file systems and the chroot mounts. */
struct bootloader_ops {
	/* Whether the image has it. Of a firmware's loaders the first that it has is taken; when it
	 * has none the first of all, whose stage() says what is missing. */
	bool (*present)(const struct bootloader *b);
	must_check int (*stage)(struct bootloader *b, struct err *e);
	/* In the tree, renames only. NULL: nothing to do. */
	must_check int (*activate)(struct bootloader *b, struct err *e);
	/* Nothing of the disk is mounted any more. `nvram`: the firmware's boot menu may be
	 * written. */
	must_check int (*finish)(struct bootloader *b, bool nvram, struct err *e);
};

/* Finds kernel and initramfs, makes the latter when there is none, chooses the loader and has it
 * stage. Clear *out with bootloader_clear(), also after a failure. */
must_check int bootloader_stage(int tree, const char *directory, const struct config *c,
    const struct plan *p, struct bootloader *out, struct err *e);

must_check int bootloader_activate(struct bootloader *b, struct err *e);
must_check int bootloader_finish(struct bootloader *b, bool nvram, struct err *e);

void bootloader_clear(struct bootloader *b);

/* A path below /boot as it is on the file system that holds it. */
const char *bootloader_on_boot(const struct bootloader *b, const char *path);

#endif
