/* vm_container.h - which container a machine runs in: the one that is called as it is, or, of a
 * definition that was written for a VM which had been started under another name (`vmlab adopt`, a
 * file that was renamed), that one, known by its MAC address.
 */
#ifndef VMLAB_LAB_VM_CONTAINER_H
#define VMLAB_LAB_VM_CONTAINER_H

#include "lib/store/store.h"
#include "vmlab/lab/command.h"

/* The machine that a VM's container is, where its own name is no definition's; NULL: none that has
 * no container of its own. */
const struct vm *vm_container_adopter(const struct container_list *containers,
    const struct vm_snapshot *snap, const struct container *c);

/* The machine that is meant by its own name, or by its container's. NULL: no definition's. */
const struct vm *vm_container_named(
    const struct container_list *containers, const struct vm_snapshot *snap, const char *name);

/* The same by name, read from the definitions; `name` itself where it is no definition's. Caller
 * frees; NULL without memory. */
char *vm_container_machine(struct session *s, const char *name);

/* Under which name the machine's container and disk are: its own, or, where it has neither, that of
 * a container or a disk which was made with its MAC address and is no definition's. */
must_check int vm_container_kept(const struct session *s, const struct vm_snapshot *snap,
    const struct vm *vm, char name[VM_LABEL_SIZE], struct err *e);

/* The MAC address that it was made with; false: it is no VM's. */
bool vm_container_mac(const struct container *c, struct mac *mac);

/* By the machine's name, or the container's. NULL: there is none. Reads the definitions where the
 * name alone does not tell. */
const struct container *vm_container_find(struct session *s, const char *name);

#endif
