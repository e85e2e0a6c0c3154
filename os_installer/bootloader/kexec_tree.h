/* kexec_tree.h - the device tree that the next kernel gets: this one's, with what it is started
 * with in /chosen (Documentation/arch/arm64/booting.rst and Documentation/arch/arm/uefi.rst of the
 * kernel; the Devicetree Specification 0.4, 3.6). Pure.
 */
#ifndef OS_INSTALLER_BOOTLOADER_KEXEC_TREE_H
#define OS_INSTALLER_BOOTLOADER_KEXEC_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define KEXEC_SEED_BYTES 64

struct kexec_chosen {
	const char *cmdline;
	uint64_t initrd, initrd_bytes; /* 0: there is none */
	/* Random; none is used twice: what is there from this kernel's start goes. */
	uint8_t kaslr_seed[8], rng_seed[KEXEC_SEED_BYTES];
};

/* All else stays, as what UEFI's boot left there (linux,uefi-*) and linux,usable-memory-range.
 * `tree` has `len` bytes; *out is new, the caller's. -EINVAL: it is no device tree. */
must_check int kexec_tree_make(const void *tree, size_t len, const struct kexec_chosen *chosen,
    void **out, size_t *out_len, struct err *e);

#endif
