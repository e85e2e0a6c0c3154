/* boot_file.h - what a file of a boot image is, told by how it begins. Pure. */
#ifndef LIB_IMAGE_BOOT_FILE_H
#define LIB_IMAGE_BOOT_FILE_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/arch.h"

enum boot_file {
	BOOT_FILE_KERNEL,
	BOOT_FILE_INITRD,
	BOOT_FILE_SCRIPT,
	BOOT_FILE_EFI,
	BOOT_FILE_ISO,
};

/* As much of a file has to be looked at, if it has that much. */
#define BOOT_FILE_HEAD_BYTES (34U << 10)

/* Judges its first bytes. 0, or -EINVAL with a sentence that can follow the file's name: what it is
 * not, and what to do. */
must_check int boot_file_check(
    enum boot_file kind, enum vm_arch arch, const uint8_t *head, size_t len, struct err *e);

#endif
