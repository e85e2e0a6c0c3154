/* What the rows of the table promise each other, and their texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/image/bootloader.h"

static void rows(void **state)
{
	char text[BOOTLOADER_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < BOOTLOADER_COUNT; i++) {
		const struct bootloader_kind *k = &bootloader_kinds[i];
		assert_true(k->name && k->files[0] && k->package && k->word);
		assert_true(bootloader_all_files(k) == (k->files[1] ? 3U : 1U));
		for (unsigned n = 0; n < BOOTLOADER_FILES && k->files[n]; n++) {
			assert_true(k->files[n][0] != '/');
			for (int a = 0; a < VM_ARCH_COUNT; a++)
				assert_null(
				    strchr(bootloader_text(k->files[n], &arches[a], text), '%'));
		}
	}
	assert_string_equal(bootloader_first(VM_FIRMWARE_UEFI, true)->name, "shim");
	assert_string_equal(bootloader_first(VM_FIRMWARE_UEFI, false)->name, "grub-efi");
	assert_string_equal(bootloader_first(VM_FIRMWARE_BIOS, false)->name, "grub-bios");
	assert_true(
	    bootloader_suits(bootloader_first(VM_FIRMWARE_BIOS, false), arch_of(VM_ARCH_AMD64)));
	assert_false(
	    bootloader_suits(bootloader_first(VM_FIRMWARE_BIOS, false), arch_of(VM_ARCH_ARM64)));
	assert_true(
	    bootloader_suits(bootloader_first(VM_FIRMWARE_UEFI, false), arch_of(VM_ARCH_ARM64)));
}

static void texts(void **state)
{
	char text[BOOTLOADER_TEXT_SIZE];

	(void)state;
	assert_string_equal(bootloader_text("%t %e %a %x%", arch_of(VM_ARCH_ARM64), text),
	    "arm64-efi aa64 arm64 %x%");
	assert_string_equal(
	    bootloader_text(bootloader_kinds[0].package, arch_of(VM_ARCH_AMD64), text),
	    "shim-signed,grub-efi-amd64-signed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows),
	    cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
