#include "docker/vm/disk_bus.h"

#include "lib/base/words.h"
#include "lib/machine/vm_setting.h"

/* In the order of VM_DISK_BUS's words (lib/machine/vm_setting.c). */
static const struct disk_bus buses[] = {
    {.device = "virtio-blk-pci"},
    {.controller = "virtio-scsi-pci,id=scsi", .device = "scsi-hd,bus=scsi.0", .lun = true},
    {.controller = "ich9-ahci,id=ide", .device = "ide-hd,bus=ide.", .numbered = true},
    {.device = "nvme"},
};

const struct disk_bus *disk_bus_find(const char *name)
{
	return &buses[word_index(vm_setting_find("VM_DISK_BUS")->word, name)];
}

const char *disk_bus_controller(const struct disk_bus *bus, const struct qemu_arch *arch)
{
	return bus->numbered && arch->sata ? NULL : bus->controller;
}
