/* arch.h - the processor architectures that machines and this host may have: a row each.
 *
 * What QEMU needs to know of one is in docker/vm/qemu_arch.c, what building and serving need in
 * docker/arches.table.
 */
#ifndef LIB_MACHINE_ARCH_H
#define LIB_MACHINE_ARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

enum vm_arch {
	VM_ARCH_AMD64,
	VM_ARCH_ARM64,
	VM_ARCH_COUNT,
	/* Of a machine that asks, beside those above: */
	VM_ARCH_NOT_SAID,
	VM_ARCH_OTHER,
};

enum vm_firmware { VM_FIRMWARE_UEFI, VM_FIRMWARE_BIOS };

/* For texts that are constants; the first is what is meant where nothing is said. */
#define ARCH_OR "amd64 or arm64"
#define ARCH_OR_DEFAULT "amd64 (default) or arm64"
#define ARCH_WORDS "amd64 arm64"
#define ARCH_SYNONYMS "`x86_64` means `amd64` and `aarch64` means `arm64`"

struct arch {
	const char *name;    /* Debian's; folders of images are called so */
	const char *machine; /* the kernel's: uname -m, binfmt_misc; and pvmlab's spelling */
	const char *ipxe;    /* one more word that iPXE has for it, or NULL */
	unsigned elf;        /* e_machine of its programs */
	const char *console; /* the serial console's name for the kernel */
	/* /dev/kvm alone proves nothing where there are any: the CPU must show one of these too. */
	const char *kvm_flags[3];
	bool bios;               /* a machine may have one in UEFI's place */
	const char *removable;   /* what firmware looks for without an entry (UEFI 2.10, 3.5.1.1) */
	const char *efi;         /* in names of files there */
	const char *grub_target; /* GRUB's word for UEFI on it */
};

extern const struct arch arches[VM_ARCH_COUNT];

const struct arch *arch_of(enum vm_arch arch);
/* The words of these enums; NULL after the last. */
const char *vm_arch_name(size_t arch);
const char *vm_firmware_name(size_t firmware);

/* Takes `name` and `machine`. Returns 0 or -EINVAL. */
must_check int vm_arch_parse(const char *text, enum vm_arch *out);

/* What iPXE says it was built for: any of a row's words; "": VM_ARCH_NOT_SAID. */
enum vm_arch arch_of_ipxe(const char *buildarch);

/* The architecture this program was built for. */
enum vm_arch host_arch(void);

#endif
