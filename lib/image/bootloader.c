#include "lib/image/bootloader.h"

#include "lib/base/text.h"

#define ROW(name_, ...) {__VA_ARGS__}
#define COMMA() ,

const struct bootloader_kind bootloader_kinds[BOOTLOADER_COUNT] = {BOOTLOADERS(ROW, COMMA)};

bool bootloader_suits(const struct bootloader_kind *kind, const struct arch *arch)
{
	return kind->firmware != VM_FIRMWARE_BIOS || arch->bios;
}

unsigned bootloader_all_files(const struct bootloader_kind *kind)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < BOOTLOADER_FILES && kind->files[i]; i++)
		bits |= 1U << i;
	return bits;
}

const struct bootloader_kind *bootloader_first(enum vm_firmware firmware, bool secure)
{
	const struct bootloader_kind *kind = bootloader_kinds;

	while (kind->firmware != firmware || kind->secure != secure)
		kind++;
	return kind;
}

const char *bootloader_text(const char *format, const struct arch *arch, char *out)
{
	const char *const values[] = {arch->grub_target, arch->efi, arch->name};

	text_expand(format, "tea", values, out, BOOTLOADER_TEXT_SIZE);
	return out;
}
