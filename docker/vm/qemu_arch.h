/* qemu_arch.h - what QEMU has to be told of each architecture that a machine can have. */
#ifndef DOCKER_VM_QEMU_ARCH_H
#define DOCKER_VM_QEMU_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/machine/arch.h"

struct qemu_arch {
	const struct arch *is;
	const char *machine; /* QEMU's -machine */
	/* The same where only the firmware may write its variables; NULL: it has no Secure Boot. */
	const char *secure_machine;
	const char *tcg_cpu;  /* QEMU's -cpu without KVM */
	const char *global;   /* one -global; NULL: none */
	uint32_t flash_bytes; /* to which firmware and variables are padded; 0: not at all */
	uint16_t pm1_port;    /* I/O port of the ACPI PM1 enable register; 0: it has none */
	bool sata;            /* the machine has a controller, whose ports are ide.0 and on */
};

extern const struct qemu_arch qemu_arches[VM_ARCH_COUNT];

/* By its name or what uname -m says; NULL when there is none. */
const struct qemu_arch *qemu_arch_find(const char *name);

#endif
