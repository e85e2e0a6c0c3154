/* lab_volume.h - what a lab's containers and volumes are called in the engine.
 *
 * "<lab>-vm-<name>" is not always one lab's: VM "vm-a" of lab "x" and VM "a" of lab "x-vm" have one
 * there. Where a name has two readings its label says whose it is, and who comes second is called
 * "<lab>_vm_<name>".
 */
#ifndef VMLAB_LAB_LAB_VOLUME_H
#define VMLAB_LAB_LAB_VOLUME_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "vmlab/engine/engine.h"
#include "vmlab/lab/lab.h"

/* Labels of a disk: the name it is of, and the MAC address of its machine. */
#define LAB_VOLUME_VM "vmlab.vm"
#define LAB_VOLUME_MAC "vmlab.mac"

/* The name of the container that is there or to be made; caller frees. -EEXIST when other labs have
 * both names. */
must_check int lab_container_name(const struct lab *lab, const struct engine *en, const char *role,
    const char *vm, char **name, struct err *e);

/* The same of a volume: "disk" of a VM, or "state". */
must_check int lab_volume_name(const struct lab *lab, const struct engine *en, const char *role,
    const char *vm, char **name, struct err *e);

/* True when `name` may be one of another lab than `lab`, too. Pure. */
bool lab_name_has_two_readings(const char *name, const char *lab);

#endif
