#include <stdio.h>

#include "lib/base/log.h"
#include "os_installer/bootloader/efi.h"
#include "os_installer/bootloader/grub.h"
#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/system/tree.h"

#define FILE_NAME "grub%e.efi"

/* The directory on the EFI partition that GRUB looks for its configuration in is compiled into a
 * ready-made image; it is the distribution's ID. */
static bool ready_image(const struct bootloader *b, char path[EFI_PATH_SIZE])
{
	bootloader_text("/usr/lib/grub/%t/monolithic/" FILE_NAME, b->arch, path);
	return tree_exists(b->tree, path);
}

static bool present(const struct bootloader *b)
{
	char path[EFI_PATH_SIZE];

	return ready_image(b, path) || grub_present(b, b->arch->grub_target);
}

/* Has grub-install make the image, in a directory of its own. */
static int image_make(const struct bootloader *b, char path[EFI_PATH_SIZE], struct err *e)
{
	char target[40];
	const char *options[] = {target, "--efi-directory=" EFI_PARTITION, "--boot-directory=/boot",
	    "--bootloader-id=" RELEASE_STAGING_ID, "--no-nvram",
	    /* Debian's own switch: a plain image instead of a signed one, whose path is fixed. */
	    b->release.debian ? "--no-uefi-secure-boot" : NULL, NULL};

	snprintf(target, sizeof(target), "--target=%s", b->arch->grub_target);
	bootloader_text(EFI_PARTITION "/EFI/" RELEASE_STAGING_ID "/" FILE_NAME, b->arch, path);
	return grub_install(b, b->arch->grub_target, options, e);
}

int grub_stubs_write(const struct bootloader *b, struct err *e)
{
	const char *const ids[] = {b->release.id, "BOOT"};
	char path[EFI_PATH_SIZE];
	char *text;
	int r;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), EFI_PARTITION "/EFI/%s/grub.cfg", ids[i]);
		if ((r = grub_cfg_render_stub(plan_boot(b->plan)->fs_uuid,
			 bootloader_on_boot(b, "/boot/grub"), &text, e)) < 0 ||
		    (r = grub_text_write(b->tree, path, text, e)) < 0)
			return r;
	}
	return 0;
}

static int stage(struct bootloader *b, struct err *e)
{
	char image[EFI_PATH_SIZE], name[BOOTLOADER_TEXT_SIZE];
	int r;

	if ((r = efi_directories(b, e)) < 0)
		return r;
	bool ready = ready_image(b, image);
	if (!ready && (r = image_make(b, image, e)) < 0)
		return r;
	log_debug("GRUB image from %s", image);
	if ((r = efi_stage(b, image, bootloader_text(FILE_NAME, b->arch, name), !ready, e)) < 0 ||
	    (r = grub_configure(b, e)) < 0)
		return r;
	return grub_stubs_write(b, e);
}

const struct bootloader_ops bootloader_grub_efi = {
    .present = present,
    .stage = stage,
    .activate = efi_activate,
    .finish = efi_finish,
};
