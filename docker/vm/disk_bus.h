/* disk_bus.h - how a machine's disks are attached: one row a bus. */
#ifndef DOCKER_VM_DISK_BUS_H
#define DOCKER_VM_DISK_BUS_H

#include <stdbool.h>

#include "docker/vm/qemu_arch.h"

struct disk_bus {
	const char *controller; /* QEMU's -device that its disks need; NULL: none */
	const char *device;     /* a disk, up to the bus's number */
	bool numbered;          /* a port of its own for each disk: its number follows `device` */
	bool lun;               /* all disks on one port, told apart by their LUN */
};

/* `name` is one that VM_DISK_BUS takes. */
const struct disk_bus *disk_bus_find(const char *name);

/* The controller that a machine of `arch` does not have by itself; NULL: none is missing. */
const char *disk_bus_controller(const struct disk_bus *bus, const struct qemu_arch *arch);

#endif
