/* vm_disks.h - the sizes that a VM's disks have, beside those its definition asks for: a disk grows
 * (docker/vm/machine.sh does it, before QEMU starts) and never shrinks.
 */
#ifndef VMLAB_LAB_VM_DISKS_H
#define VMLAB_LAB_VM_DISKS_H

#include <stdio.h>

#include "lib/definition/vm.h"
#include "vmlab/engine/engine.h"
#include "vmlab/lab/lab.h"

struct vm_disks {
	uint64_t bytes[VM_DISKS_MAX]; /* 0: there is no such disk yet */
};

/* Reads them from the VM's volume; all 0 when it has none or they cannot be read. The VM must not
 * run. */
void vm_disks_look(
    const struct engine *en, const struct lab *lab, const char *vm, struct vm_disks *d);

/* The same of several, which may run, in few steps; `vms` are `count` names. */
void vm_disks_look_all(const struct engine *en, const struct lab *lab, const char *const *vms,
    size_t count, struct vm_disks *d);

/* Of which VMs a volume with disks is there; the engine is asked once. */
void vm_disks_kept(const struct engine *en, const struct lab *lab, const char *const *vms,
    size_t count, bool *kept);

/* One disk's line, "NAME NUMBER BYTES", into that of `vms` it is of; pure. */
void vm_disks_take_line(const char *line, const char *const *vms, size_t count, struct vm_disks *d);

/* From lines "NUMBER BYTES"; pure, as what follows. -EINVAL when the text is something else. */
must_check int vm_disks_parse(const char *text, struct vm_disks *d);

/* The size that disk i will have once the machine is started. */
uint64_t vm_disks_after_start(const struct vm_disks *d, const struct vm *vm, unsigned i);

/* A line for each disk that is not, or will not stay, what the definition says. */
void vm_disks_tell(FILE *f, const struct vm_disks *d, const struct vm *vm);

#endif
