/* container.h - the lab's containers as arguments of `run`. Pure: definition in, arguments
 * out, nothing is asked or started here.
 *
 *	<lab>-net        owns the network namespace and the API's TCP port if there is one, does
 *nothing <lab>-stack      DHCP, TFTP, HTTP, state <lab>-vm-<name>  QEMU with one virtual machine;
 *its output is the serial console
 *
 * and of its volumes <lab>-state and <lab>-disk-<name>.
 *
 * Every container carries vmlab.lab, vmlab.role and vmlab.spec; the spec is what it was made from,
 * "key=value" joined by ';', so that a later `up` can say what has changed.
 */
#ifndef VMLAB_LAB_CONTAINER_H
#define VMLAB_LAB_CONTAINER_H

#include <stdbool.h>

#include "lib/definition/vm.h"
#include "lib/base/argv.h"
#include "vmlab/lab/lab.h"

/* The usual names of containers and volumes (lab_volume.h: which they have); caller frees, NULL
 * without memory. */
char *container_name(const struct lab *lab, const char *role, const char *vm);

/* What the engine calls the container, the one it joins and the volume it has. */
struct container_names {
	const char *name, *net, *volume;
	const char *vm; /* the VM's name where that is not its definition's, or NULL */
};

void container_net_args(const struct lab *lab, const char *name, bool ipv6, struct argv *a);
void container_stack_args(
    const struct lab *lab, const struct container_names *names, struct argv *a);

struct container_vm_options {
	bool kvm;             /* hand over /dev/kvm */
	const char *accel;    /* "auto", "tcg", "kvm" */
	const char *nic_rom;  /* "firmware", "ipxe", "http" */
	const char *disk_bus; /* "virtio", "scsi", "sata", "nvme" */
};
void container_vm_args(const struct lab *lab, const struct container_names *names,
    const struct vm *vm, const struct container_vm_options *options, struct argv *a);

/* Specs; caller frees, NULL without memory. */
char *container_net_spec(const struct lab *lab);
char *container_stack_spec(const struct lab *lab);
char *container_vm_spec(const struct lab *lab, const struct vm *vm);

/* The keys whose values differ, ", " between them; caller frees. "" when the specs are equal, NULL
 * without memory. */
char *container_spec_diff(const char *old_spec, const char *new_spec);

#endif
