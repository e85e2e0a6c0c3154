/* kernel_image.h - an arm64 kernel as it is put into memory: an Image
 * (Documentation/arch/arm64/booting.rst of the kernel), packed by gzip, xz or zstd, or behind the
 * program with which UEFI unpacks one (drivers/firmware/efi/libstub/zboot-header.S).
 */
#ifndef OS_INSTALLER_BOOTLOADER_KERNEL_IMAGE_H
#define OS_INSTALLER_BOOTLOADER_KERNEL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct kernel_image {
	const uint8_t *data;
	size_t len;
	uint64_t offset;   /* of its first byte from a multiple of KERNEL_IMAGE_ALIGN */
	uint64_t bytes;    /* that it takes in memory, from there */
	uint8_t *unpacked; /* data's, or NULL: the file's */
};

#define KERNEL_IMAGE_ALIGN (UINT64_C(2) << 20)

/* Of a file in memory, which has to stay there as long as *out. -EINVAL: it is none. */
must_check int kernel_image_read(
    const void *file, size_t len, struct kernel_image *out, struct err *e);
void kernel_image_clear(struct kernel_image *k);
#define _cleanup_kernel_image_ __attribute__((cleanup(kernel_image_clear)))

#endif
