#include "docker/vm/disk_bus.h"

#include <string.h>

static const struct disk_bus virtio = {.name = "virtio", .device = "virtio-blk-pci"};
static const struct disk_bus scsi = {
    .name = "scsi",
    .controller = "virtio-scsi-pci,id=scsi",
    .device = "scsi-hd,bus=scsi.0",
    .lun = true,
};
static const struct disk_bus sata = {
    .name = "sata",
    .controller = "ich9-ahci,id=ide",
    .device = "ide-hd,bus=ide.",
    .numbered = true,
};
static const struct disk_bus nvme = {.name = "nvme", .device = "nvme"};

const struct disk_bus *const disk_buses[] = {&virtio, &scsi, &sata, &nvme, NULL};

const struct disk_bus *disk_bus_find(const char *name)
{
	for (const struct disk_bus *const *b = disk_buses; *b; b++)
		if (strcmp((*b)->name, name) == 0)
			return *b;
	return NULL;
}

const char *disk_bus_controller(const struct disk_bus *bus, const struct qemu_arch *arch)
{
	return bus == &sata && arch->sata ? NULL : bus->controller;
}
