/* machine.h - one virtual machine as the container's VM_* variables describe it.
 *
 * lib/machine/vm_setting.c lists the variables. Pure: nothing of the host is looked at.
 */
#ifndef DOCKER_VM_MACHINE_H
#define DOCKER_VM_MACHINE_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "docker/vm/disk_bus.h"
#include "docker/vm/qemu_arch.h"
#include "lib/machine/vm_setting.h"

#define MACHINE_NICS_MAX 2

enum machine_accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

/* The tap that with-tap opens as descriptor FIRST_TAP_FD is the first card's, and so on. */
#define FIRST_TAP_FD 3

struct machine_nic {
	char tap[16];
	char mac[18];
};

/* Texts belong to the environment it was made from. Members are what takes more than to be read:
 * the rest has machine_setting(). */
struct machine {
	const char *values[VM_SETTINGS_MAX]; /* of the settings, in their order */
	const char *name;
	const struct qemu_arch *arch;
	unsigned cpus;
	unsigned memory_mib;
	const struct disk_bus *disk_bus;
	size_t disk_count;
	bool bios;        /* UEFI otherwise */
	bool secure_boot; /* its firmware starts only what is signed */
	enum machine_accel accel;
	struct machine_nic nics[MACHINE_NICS_MAX]; /* the first one boots */
	unsigned nic_count;
	bool nic_rom; /* QEMU's iPXE in place of the firmware's own PXE */
	bool http;    /* the firmware's HTTP Boot in place of its PXE */
};

/* `environment`: "NAME=value", NULL-terminated; what is not set or empty has its default. -EINVAL
 * with a sentence that names variable, value and what to give. */
must_check int machine_parse(char *const *environment, struct machine *m, struct err *e);

/* The value of a setting: as it was set, or its default. */
const char *machine_setting(const struct machine *m, const char *name);

/* The checked settings for the scripts, "NAME=value" a line (no value has a line end in it): each
 * as it was set or its default, and what these say of the machine `m` that they made:
 * - VM_TAPS: the taps of its cards, the first one's first
 * - VM_PORTS: the same, each with the MAC of its card behind it
 * - VM_FLASH: its firmware's files, before "-code.fd" and "-vars.fd"
 * - VM_FLASH_BYTES: to which these are padded; 0: not at all
 * - VM_PM1_PORT: where its ACPI PM1 enable register is; empty: there is none to look at
 */
void machine_print(const struct machine *m, FILE *f);

/* What its firmware's files are called by: "amd64", "amd64-secure". Returns out. */
#define MACHINE_FLASH_SIZE 24
const char *machine_flash(const struct machine *m, char out[MACHINE_FLASH_SIZE]);

#endif
