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

/* By the machine's name, or the container's. NULL: there is none. Reads the definitions where the
 * name alone does not tell. */
const struct container *vm_container_find(struct session *s, const char *name);

#endif
