#include "os_installer/bootloader/efi.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/system/tree.h"

int efi_directories(const struct bootloader *b, struct err *e)
{
	char path[EFI_PATH_SIZE];

	snprintf(path, sizeof(path), EFI_PARTITION "/EFI/%s", b->release.id);
	int r = tree_mkdirs(b->tree, path, 0755, e);
	return r < 0 ? r : tree_mkdirs(b->tree, EFI_PARTITION "/EFI/BOOT", 0755, e);
}

/* The two names. */
static void names(
    const struct bootloader *b, char own[EFI_PATH_SIZE], char removable[EFI_PATH_SIZE])
{
	snprintf(own, EFI_PATH_SIZE, EFI_PARTITION "/EFI/%s/%s", b->release.id, b->efi_file);
	snprintf(removable, EFI_PATH_SIZE, EFI_PARTITION "/EFI/BOOT/%s", b->arch->removable);
}

int efi_stage(struct bootloader *b, const char *from, const char *file, bool take, struct err *e)
{
	char own[EFI_PATH_SIZE], removable[EFI_PATH_SIZE], to[EFI_PATH_SIZE + 8];

	snprintf(b->efi_file, sizeof(b->efi_file), "%s", file);
	names(b, own, removable);
	snprintf(to, sizeof(to), "%s.new", removable);
	int r = tree_copy(b->tree, from, to, 0755, e);
	if (r < 0)
		return r;
	snprintf(to, sizeof(to), "%s.new", own);
	return take ? tree_rename(b->tree, from, to, e) : tree_copy(b->tree, from, to, 0755, e);
}

int efi_activate(struct bootloader *b, struct err *e)
{
	char own[EFI_PATH_SIZE], removable[EFI_PATH_SIZE], from[EFI_PATH_SIZE + 8];

	names(b, own, removable);
	snprintf(from, sizeof(from), "%s.new", own);
	int r = tree_rename(b->tree, from, own, e);
	if (r < 0)
		return r;
	snprintf(from, sizeof(from), "%s.new", removable);
	return tree_rename(b->tree, from, removable, e);
}

void efi_register(
    const char *title, const struct plan_partition *esp, unsigned number, const char *file)
{
	struct err e = ERR_INIT;
	int r = nvram_entry_add(title, esp, number, file, &e);

	if (r == NVRAM_ABSENT)
		log_info("no EFI variables here: the disk boots by its removable name");
	else if (r < 0)
		log_warn("no boot entry made, the disk boots by its removable name: %s", e.msg);
	else
		log_debug("boot entry made title=%s file=%s", title, file);
}

int efi_finish(struct bootloader *b, bool nvram, struct err *e)
{
	const struct plan_partition *esp = plan_partition(b->plan, PLAN_ESP);
	char file[EFI_PATH_SIZE];

	(void)e;
	snprintf(file, sizeof(file), "\\EFI\\%s\\%s", b->release.id, b->efi_file);
	if (nvram)
		efi_register(b->release.id, esp, (unsigned)(esp - b->plan->part) + 1, file);
	return 0;
}
