/* platform.h - what boot loaders have to know of an architecture. */
#ifndef OS_INSTALLER_BOOTLOADER_PLATFORM_H
#define OS_INSTALLER_BOOTLOADER_PLATFORM_H

#include "lib/definition/vm.h"

struct platform {
	const char *efi;       /* in names of EFI programs: "grub<efi>.efi" */
	const char *removable; /* what firmware looks for without an entry (UEFI 2.10, 3.5.1.1) */
	const char *grub_target, *grub_package, *grub_file;
	const char *console; /* the serial console's name for the kernel */
};

const struct platform *platform_of(enum vm_arch arch);

#endif
