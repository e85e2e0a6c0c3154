/* grub_core.h - GRUB's two images for a BIOS (i386-pc), told where on the disk the second one lies:
 * what grub-install's last step does, but left to us, so that it can be the very last write of an
 * install. The first sector loads the first sector of the core image, which loads the rest of it.
 *
 * Pure. The places in the images are GRUB's (include/grub/i386/pc/boot.h) since 1.99.
 */
#ifndef OS_INSTALLER_BOOTLOADER_GRUB_CORE_H
#define OS_INSTALLER_BOOTLOADER_GRUB_CORE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* From boot.img and core.img as grub-install leaves them, for a core image that begins at core_lba
 * (sectors of 512 bytes). Fills `sector` and returns the core image, filled up to whole sectors,
 * which the caller frees; NULL with e when the images are not what they should be. */
uint8_t *grub_core_prepare(const char *boot, size_t boot_len, const char *core, size_t core_len,
    uint64_t core_lba, uint8_t sector[512], size_t *out_len, struct err *e);

#endif
