/* container.h - the lab's containers as arguments of `docker run`. Pure: definition in, arguments
 * out, nothing is asked or started here.
 *
 *	<lab>-net        owns the network namespace and the API's TCP port if there is one, does nothing
 *	<lab>-stack      DHCP, TFTP, HTTP, state
 *	<lab>-vm-<name>  QEMU with one virtual machine; its output is the serial console
 *
 * Every container carries vmlab.lab, vmlab.role and vmlab.spec; the spec is what it was made from,
 * "key=value" joined by ';', so that a later `up` can say what has changed.
 */
#ifndef VMLAB_CONTAINER_H
#define VMLAB_CONTAINER_H

#include <stdbool.h>

#include "vm.h"
#include "vmlab/argv.h"
#include "vmlab/lab.h"

/* Names of containers and volumes; caller frees, NULL without memory. */
char *container_name(const struct lab *lab, const char *role, const char *vm);
char *container_disk_volume(const struct lab *lab, const char *vm);

void container_net_args(const struct lab *lab, bool ipv6, struct argv *a);
void container_stack_args(const struct lab *lab, struct argv *a);

struct container_vm_options {
	bool kvm;             /* hand over /dev/kvm */
	const char *accel;    /* "auto", "tcg", "kvm" */
	const char *nic_rom;  /* "firmware", "ipxe" */
	const char *disk_bus; /* "virtio", "scsi", "sata", "nvme" */
};
void container_vm_args(const struct lab *lab, const struct vm *vm,
    const struct container_vm_options *options, struct argv *a);

/* Specs; caller frees, NULL without memory. */
char *container_net_spec(const struct lab *lab);
char *container_stack_spec(const struct lab *lab);
char *container_vm_spec(const struct lab *lab, const struct vm *vm);

/* The keys whose values differ, ", " between them; caller frees. "" when the specs are equal, NULL
 * without memory. */
char *container_spec_diff(const char *old_spec, const char *new_spec);

#endif
