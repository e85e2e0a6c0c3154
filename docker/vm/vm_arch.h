/* vm_arch.h - what differs between the architectures a machine can have: one row each. */
#ifndef DOCKER_VM_ARCH_H
#define DOCKER_VM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_arch {
	const char *name;    /* as definitions say it, and the firmware's files are named */
	const char *uname;   /* what the kernel calls this machine */
	const char *qemu;    /* the program */
	const char *machine; /* QEMU's -machine */
	const char *tcg_cpu; /* QEMU's -cpu without KVM */
	const char *global;  /* one -global; NULL: none */
	/* /dev/kvm alone proves nothing where there are any: the CPU must show one of these too. */
	const char *kvm_flags[3];
	uint32_t flash_bytes; /* to which firmware and variables are padded; 0: not at all */
	uint16_t pm1_port;    /* I/O port of the ACPI PM1 enable register; 0: it has none */
	bool bios;            /* a machine may have one in UEFI's place */
	bool sata;            /* the machine has a controller, whose ports are ide.0 and on */
};

/* NULL-terminated. */
extern const struct vm_arch *const vm_arches[];

/* By name, or by what uname -m says; NULL when there is none. */
const struct vm_arch *vm_arch_find(const char *name);
const struct vm_arch *vm_arch_of_host(const char *uname);

#endif
