#include "lib/boot/raspberry.h"

#include <stddef.h>
#include <string.h>

#define SERIAL_DIGITS 8
#define SERIAL_DIGITS_LONG 16

/* start4cd.elf is loaded with gpu_mem=16, start4x.elf with a camera, start4db.elf to debug it; a Pi
 * 5 has all of that in its EEPROM. bcm2837-rpi-3-b.dtb: QEMU's raspi3b, which boots the same tree.
 */
static const struct raspberry_file files[] = {
    {"start4.elf", false, true},
    {"fixup4.dat", false, true},
    {"start4cd.elf", false, true},
    {"fixup4cd.dat", false, true},
    {"start4x.elf", false, false},
    {"fixup4x.dat", false, false},
    {"start4db.elf", false, false},
    {"fixup4db.dat", false, false},
    {"bcm2711-rpi-4-b.dtb", true, true},
    {"bcm2711-rpi-400.dtb", true, false},
    {"bcm2711-rpi-cm4-io.dtb", true, true},
    {"bcm2712-rpi-5-b.dtb", true, false},
    {"bcm2837-rpi-3-b.dtb", true, false},
};

/* Several ramfs files, commas between them, lie in memory one after the other, as for iPXE. */
const char raspberry_config[] =
    "# Raspberry Pi 4, 400, CM4 and 5, booted from the network: made by vmlab image build.\n"
    "# cmdline.txt is written by the stack, for each board its own.\n"
    "arm_64bit=1\n"
    "enable_uart=1\n"
    "upstream_kernel=1\n"
    "kernel=" IMAGE_KERNEL_FILE "\n"
    "initramfs " RASPBERRY_INITRD_FILE "," IMAGE_MODULES_FILE " followkernel\n"
    "[cm4]\n"
    "device_tree=bcm2711-rpi-cm4-io.dtb\n"
    "[all]\n";

const struct raspberry_file *raspberry_file_at(size_t i)
{
	return i < sizeof(files) / sizeof(*files) ? &files[i] : NULL;
}

static bool is_hex(const char *text)
{
	return text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

bool raspberry_is_folder(const char *name)
{
	return strlen(name) == SERIAL_DIGITS && is_hex(name) && !strpbrk(name, "ABCDEF");
}

bool raspberry_folder(const struct vm *vm, char folder[RASPBERRY_FOLDER_SIZE])
{
	size_t len = vm->serial ? strlen(vm->serial) : 0;

	if (vm->arch != VM_ARCH_ARM64 || (len != SERIAL_DIGITS && len != SERIAL_DIGITS_LONG) ||
	    !is_hex(vm->serial))
		return false;
	const char *last = vm->serial + len - SERIAL_DIGITS;
	for (size_t i = 0; i <= SERIAL_DIGITS; i++)
		folder[i] =
		    (char)(last[i] >= 'A' && last[i] <= 'F' ? last[i] - 'A' + 'a' : last[i]);
	return true;
}

bool raspberry_served(const struct vm *vm)
{
	char folder[RASPBERRY_FOLDER_SIZE];

	const struct boot_mode *mode = boot_mode_of(vm);

	return (mode == &boot_mode_shell || mode == &boot_mode_agent) &&
	       raspberry_folder(vm, folder);
}

bool raspberry_stays_local(const struct vm *vm)
{
	char folder[RASPBERRY_FOLDER_SIZE];

	return boot_mode_of(vm) == &boot_mode_local && raspberry_folder(vm, folder);
}

const char *raspberry_image_name(const struct vm *vm)
{
	return raspberry_served(vm) ? RASPBERRY_IMAGE : boot_image_name(vm);
}

/* The serial port on the pins 8 and 10 is Linux' ttyS1; ttyAMA0 is wired to Bluetooth. */
const char *raspberry_words(
    const struct vm *vm, const struct boot_urls *urls, struct boot_plan *room)
{
	const struct boot_facts facts = {.vm = vm, .urls = urls};

	memset(room, 0, offsetof(struct boot_plan, room));
	const char *words = boot_words_on(&facts, boot_mode_of(vm)->name, "ttyS1", room);
	return room->full ? NULL : words;
}
