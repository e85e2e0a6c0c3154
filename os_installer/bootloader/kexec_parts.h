/* kexec_parts.h - another arm64 kernel for kexec_load(2), where a kernel has no kexec_file_load(2):
 * its parts, each with its place in memory, and what starts it.
 */
#ifndef OS_INSTALLER_BOOTLOADER_KEXEC_PARTS_H
#define OS_INSTALLER_BOOTLOADER_KEXEC_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/bootloader/kernel_image.h"
#include "os_installer/bootloader/memory_map.h"

/* Where each begins, in bytes; `initrd` is 0 where there is none. */
struct kexec_places {
	uint64_t kernel, initrd, tree, start;
};

/* Pure. Finds places in `map`, which has them no more; `tree_bytes` is the most that the device
 * tree can take. -ENOMEM: there are none. */
must_check int kexec_places_find(struct memory_map *map, const struct kernel_image *kernel,
    uint64_t initrd_bytes, uint64_t tree_bytes, struct kexec_places *out, struct err *e);

/* Pure. The program that is entered first: the kernel wants its device tree in x0, zeros in x1 to
 * x3. As instructions and two addresses, in memory order. */
#define KEXEC_START_WORDS 10
void kexec_start_make(const struct kexec_places *places, uint32_t out[KEXEC_START_WORDS]);

/* Reads them into the running kernel; `initramfs` is -1 where there is none. -ENOSYS: not on this
 * architecture, or this kernel has not even that; -EPERM: it is locked down. */
must_check int kexec_parts_load(int kernel, int initramfs, const char *cmdline, struct err *e);

#endif
