/* vm_uuid.h - the SMBIOS UUID of a VM whose definition gives none. Without one QEMU shows zeros,
 * and firmware that makes its DHCPv6 identifier (DUID-UUID, RFC 6355) of it would share one address
 * among all. Pure.
 */
#ifndef VMLAB_LAB_VM_UUID_H
#define VMLAB_LAB_VM_UUID_H

#include "lib/machine/smbios_id.h"
#include "vmlab/lab/lab.h"

/* RFC 9562 version 5 of "<lab>/<vm>": the same each time the VM is made, of no other VM. */
void vm_uuid_derive(const char *lab, const char *vm, char out[UUID_TEXT_SIZE]);

/* The definition's, or the derived one in buf. */
const char *vm_uuid_of(const struct lab *lab, const struct vm *vm, char buf[UUID_TEXT_SIZE]);

#endif
