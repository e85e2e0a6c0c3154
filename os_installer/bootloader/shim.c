/* For Secure Boot: shim, which Microsoft has signed, starts the GRUB beside it, which the
 * distribution has. The directory where that looks for its configuration is compiled into it: the
 * distribution's ID. */
#include <stdio.h>

#include "os_installer/bootloader/efi.h"
#include "os_installer/bootloader/grub.h"
#include "os_installer/system/tree.h"

#define SHIM "/usr/lib/shim/shim%e.efi.signed"
#define GRUB "/usr/lib/grub/%t-signed/grub%e.efi.signed"
/* By which a person enrols keys of his own (mokutil). */
#define MANAGER "/usr/lib/shim/mm%e.efi.signed"

static const char *text(const struct bootloader *b, const char *format, char *out)
{
	return bootloader_text(format, b->arch, out);
}

static bool present(const struct bootloader *b)
{
	char path[BOOTLOADER_TEXT_SIZE];

	return tree_exists(b->tree, text(b, SHIM, path)) &&
	       tree_exists(b->tree, text(b, GRUB, path));
}

/* What no firmware looks for: to both places of shim. */
static int put_beside(const struct bootloader *b, const char *from, const char *name, struct err *e)
{
	const char *const directories[] = {b->release.id, "BOOT"};
	char path[BOOTLOADER_TEXT_SIZE], file[BOOTLOADER_TEXT_SIZE], to[EFI_PATH_SIZE];
	int r = 0;

	text(b, from, path);
	text(b, name, file);
	for (size_t i = 0; i < 2 && r == 0; i++) {
		snprintf(to, sizeof(to), EFI_PARTITION "/EFI/%s/%s", directories[i], file);
		r = tree_copy(b->tree, path, to, 0755, e);
	}
	return r;
}

static int stage(struct bootloader *b, struct err *e)
{
	char path[BOOTLOADER_TEXT_SIZE], name[BOOTLOADER_TEXT_SIZE];
	int r;

	if ((r = efi_directories(b, e)) < 0 || (r = put_beside(b, GRUB, "grub%e.efi", e)) < 0 ||
	    (tree_exists(b->tree, text(b, MANAGER, path)) &&
		(r = put_beside(b, MANAGER, "mm%e.efi", e)) < 0) ||
	    (r = efi_stage(b, text(b, SHIM, path), text(b, "shim%e.efi", name), false, e)) < 0 ||
	    (r = grub_configure(b, e)) < 0)
		return r;
	return grub_stubs_write(b, e);
}

const struct bootloader_ops bootloader_shim = {
    .present = present,
    .stage = stage,
    .activate = efi_activate,
    .finish = efi_finish,
};
