/* qemu.h - the command line of QEMU for a machine: a pure function of the machine and of what this
 * host is. No process, no file.
 *
 * The files it names are made by machine.sh: disks and the firmware's variables in /disks, sockets
 * and padded firmware in /run/vm. The serial console is standard input and output; where others are
 * to have it as well, lib/machine/console.h says how.
 */
#ifndef DOCKER_VM_QEMU_H
#define DOCKER_VM_QEMU_H

#include <stdbool.h>

#include "lib/base/argv.h"
#include "lib/base/err.h"
#include "docker/vm/machine.h"

enum kvm_device { KVM_ABSENT, KVM_CLOSED, KVM_OPEN };

struct vm_host {
	const struct qemu_arch *arch; /* NULL: one that no machine has */
	enum kvm_device kvm;
	bool kvm_flag; /* the CPU shows one of arch->is->kvm_flags */
	unsigned mtu;  /* of the machine's bridge */
	bool console;  /* lib/machine/console.h: it is shared */
};

struct qemu_accel {
	bool kvm;
	char why[100]; /* what speaks against KVM; empty: nothing */
};

/* KVM or emulation. -EINVAL with a sentence when KVM is asked for where it cannot be. */
must_check int qemu_choose_accel(
    const struct machine *m, const struct vm_host *host, struct qemu_accel *accel, struct err *e);

/* Appends program and arguments. Fails only for want of memory: argv->failed. */
void qemu_command(const struct machine *m, const struct vm_host *host,
    const struct qemu_accel *accel, struct argv *argv);

#endif
