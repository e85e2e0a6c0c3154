#include "lib/machine/vm_setting.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/words.h"
#include "lib/machine/arch.h"

/* In the order of docker/vm/disk_bus.c. */
static const char *bus_word(size_t i)
{
	static const char *const words[] = {"virtio", "scsi", "sata", "nvme", NULL};

	return words[i];
}

static const char *nic_rom_word(size_t i)
{
	static const char *const words[] = {"firmware", "ipxe", "http", NULL};

	return words[i];
}

static const char *flag_word(size_t i)
{
	static const char *const words[] = {"false", "true", NULL};

	return words[i];
}

/* In the order of enum machine_accel. */
static const char *accel_word(size_t i)
{
	static const char *const words[] = {"auto", "kvm", "tcg", NULL};

	return words[i];
}

const struct vm_setting vm_settings[] = {
    {.name = "VM_NAME",
	.field = "name",
	.builtin = "",
	.pattern = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?",
	.give = "a name such as web1"},
    {.name = "VM_MAC",
	.field = "mac",
	.builtin = "",
	.pattern = "([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}",
	.give = "an address such as 52:54:00:00:00:01"},
    {.name = "VM_ARCH", .field = "arch", .builtin = "amd64", .word = vm_arch_name},
    {.name = "VM_CPUS",
	.field = "cpus",
	.builtin = "1",
	.pattern = "[1-9][0-9]{0,2}",
	.give = "a number of CPUs"},
    {.name = "VM_MEMORY_MIB",
	.field = "memory",
	.unit = 1 << 20,
	.builtin = "2048",
	.pattern = "[1-9][0-9]{1,6}",
	.give = "a number of MiB"},
    /* Made once in /disks, and grown when a size has become larger. */
    {.name = "VM_DISKS_BYTES",
	.field = "disks",
	.builtin = "",
	.pattern = "([1-9][0-9]{5,18}( +[1-9][0-9]{5,18})*)?",
	.give = "sizes in bytes"},
    {.name = "VM_DISK_BUS", .builtin = "virtio", .word = bus_word},
    {.name = "VM_FIRMWARE", .field = "firmware", .builtin = "uefi", .word = vm_firmware_name},
    {.name = "VM_SECURE_BOOT", .field = "secure_boot", .builtin = "false", .word = flag_word},
    /* SMBIOS identity. */
    {.name = "VM_UUID",
	.field = "uuid",
	.builtin = "",
	.pattern = "([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?",
	.give = "a UUID"},
    {.name = "VM_SERIAL",
	.field = "serial",
	.builtin = "",
	.pattern = "([[:graph:]]([[:print:]]{0,62}[[:graph:]])?)?",
	.give = "at most 64 printable ASCII characters with no blank at either end"},
    {.name = "VM_ACCEL", .builtin = "auto", .word = accel_word},
    {.name = "VM_BRIDGE",
	.builtin = "lab0",
	.pattern = "[A-Za-z0-9][A-Za-z0-9_.-]{0,14}",
	.give = "an interface name"},
    /* 2: a second card on the same bridge, which boots nothing. */
    {.name = "VM_NICS", .builtin = "1", .pattern = "[12]", .give = "1 or 2"},
    /* What its clock starts at, such as 1970-01-01T00:00:00; else now. */
    {.name = "VM_CLOCK",
	.builtin = "",
	.pattern = "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})?",
	.give = "a date and time"},
    /* For tests, on the first disk: "log" (its writes and flushes go to /disks/disk0.log as well,
     * in the format of dm-log-writes) or a file with rules for QEMU's blkdebug. */
    {.name = "VM_DISK_FILTER",
	.builtin = "",
	.pattern = "log|/[A-Za-z0-9/._-]+|",
	.give = "log or a file's path"},
    /* "ipxe": QEMU's option ROM in place of the firmware's own PXE. A BIOS, which has no PXE of its
     * own, gets it in any case. "http": UEFI HTTP Boot in place of PXE. */
    {.name = "VM_NIC_ROM", .builtin = "firmware", .word = nic_rom_word},
    {.name = "VM_STOP_TIMEOUT",
	.builtin = "60",
	.pattern = "[0-9]{1,4}",
	.give = "a number of seconds"},
    /* An amd64 machine that runs no system and has sent nothing for so long (firmware that gave up
     * on the network ends in a shell) is reset; 0: never. */
    {.name = "VM_STUCK_TIMEOUT",
	.builtin = "120",
	.pattern = "[0-9]{1,5}",
	.give = "a number of seconds"},
};
const size_t vm_setting_count = sizeof(vm_settings) / sizeof(*vm_settings);
_Static_assert(sizeof(vm_settings) / sizeof(*vm_settings) <= VM_SETTINGS_MAX, "VM_SETTINGS_MAX");

const struct vm_setting *vm_setting_find(const char *name)
{
	for (size_t i = 0; i < vm_setting_count; i++)
		if (strcmp(vm_settings[i].name, name) == 0)
			return &vm_settings[i];
	return NULL;
}

static bool matches(const char *pattern, const char *value)
{
	char whole[120];
	regex_t re;

	snprintf(whole, sizeof(whole), "^(%s)$", pattern);
	if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool found = regexec(&re, value, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

bool vm_setting_takes(const struct vm_setting *s, const char *value)
{
	return s->word ? word_index(s->word, value) >= 0 : matches(s->pattern, value);
}

const char *vm_setting_give(const struct vm_setting *s, char buf[VM_SETTING_GIVE_SIZE])
{
	return s->word ? word_list(s->word, "", buf, VM_SETTING_GIVE_SIZE) : s->give;
}
