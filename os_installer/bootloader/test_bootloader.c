/* test_bootloader.c - what makes a system start, in a directory that stands for it; GRUB's own
 * parts are test_grub.c's. With a real GRUB, kernel and firmware it is tests/e2e/'s.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/bootloader/bootloader.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/system/tree.h"

#define ROOT_UUID "f7845486-9ad7-4ce2-9e45-58e0a208a2dc"

static char directory[] = "/tmp/test_bootloader.XXXXXX";
static int tree;

static int tree_setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	if (!mkdtemp(directory) || (tree = tree_open(directory, &e)) < 0)
		return -1;
	return 0;
}

static int tree_teardown(void **state)
{
	char command[100];

	(void)state;
	close(tree);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static void put(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	char above[200];

	snprintf(above, sizeof(above), "%s", path);
	*strrchr(above, '/') = '\0';
	assert_int_equal(tree_mkdirs(tree, above, 0755, &e), 0);
	assert_int_equal(tree_write(tree, path, text, strlen(text), 0644, &e), 0);
}

static void assert_holds(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	char *found = NULL;
	size_t len;

	assert_int_equal(tree_read(tree, path, 65536, &found, &len, &e), 0);
	assert_non_null(strstr(found, text));
	free(found);
}

static const struct plan uefi = {.count = 2,
    .part = {
	{.role = PLAN_ESP, .fs = STORAGE_FS_VFAT, .mount = "/boot/efi", .fs_uuid = "386C-FC3E"},
	{.role = PLAN_ROOT, .fs = STORAGE_FS_EXT4, .mount = "/", .fs_uuid = ROOT_UUID},
    }};
static const struct plan bios = {.count = 2,
    .part = {
	{.role = PLAN_BIOS_BOOT},
	{.role = PLAN_ROOT, .fs = STORAGE_FS_EXT4, .mount = "/", .fs_uuid = ROOT_UUID},
    }};

static void system_make(void)
{
	put("/etc/os-release",
	    "NAME=x\nID=\"lab-os\"\nPRETTY_NAME='Lab OS 1'\nID_LIKE=\"suse debian\"\n");
	put("/boot/vmlinuz-6.9", "older");
	put("/boot/vmlinuz-6.10", "kernel");
	put("/boot/initrd.img-6.9", "older");
	put("/boot/initrd.img-6.10", "initramfs");
	put("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", "GRUB");
}

/* Nothing has a name that firmware looks for before activate(). */
static void test_efi(void **state)
{
	struct config c = {.told = {.arch = VM_ARCH_AMD64, .kernel_args = "quiet  mem=1G"}};
	struct err e = ERR_INIT;
	struct bootloader b;

	(void)state;
	system_make();
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), 0);
	assert_string_equal(b.release.id, "lab-os");
	assert_string_equal(b.release.title, "Lab OS 1");
	assert_true(b.release.debian);
	assert_string_equal(b.kernel.version, "6.10");
	assert_string_equal(b.kernel.path, "/boot/vmlinuz-6.10");
	assert_string_equal(b.kernel.initramfs, "/boot/initrd.img-6.10");
	assert_string_equal(b.kind->name, "grub-efi");
	assert_holds("/boot/efi/EFI/lab-os/grubx64.efi.new", "GRUB");
	assert_holds("/boot/efi/EFI/BOOT/BOOTX64.EFI.new", "GRUB");
	assert_false(tree_exists(tree, "/boot/efi/EFI/lab-os/grubx64.efi"));
	assert_false(tree_exists(tree, "/boot/efi/EFI/BOOT/BOOTX64.EFI"));
	assert_holds("/boot/efi/EFI/lab-os/grub.cfg", "search.fs_uuid " ROOT_UUID " root\n");
	assert_holds("/boot/efi/EFI/BOOT/grub.cfg", "set prefix=($root)/boot/grub\n");
	assert_holds("/boot/grub/grub.cfg",
	    "menuentry 'Lab OS 1' {\n\tlinux /boot/vmlinuz-6.10 root=UUID=" ROOT_UUID
	    " ro quiet console=tty0 console=ttyS0,115200 quiet mem=1G\n\tinitrd /boot/initrd.img-6.10\n");
	assert_int_equal(bootloader_activate(&b, &e), 0);
	assert_holds("/boot/efi/EFI/lab-os/grubx64.efi", "GRUB");
	assert_holds("/boot/efi/EFI/BOOT/BOOTX64.EFI", "GRUB");
	assert_false(tree_exists(tree, "/boot/efi/EFI/BOOT/BOOTX64.EFI.new"));
	bootloader_clear(&b);
}

/* Where the image has both, firmware starts shim, and shim the signed GRUB beside it. */
static void test_shim(void **state)
{
	struct config c = {.told = {.arch = VM_ARCH_AMD64}};
	struct err e = ERR_INIT;
	struct bootloader b;

	(void)state;
	system_make();
	put("/usr/lib/shim/shimx64.efi.signed", "SHIM");
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), 0);
	assert_string_equal(b.kind->name, "grub-efi");
	bootloader_clear(&b);

	put("/usr/lib/shim/mmx64.efi.signed", "MANAGER");
	put("/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "SIGNED");
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), 0);
	assert_string_equal(b.kind->name, "shim");
	assert_string_equal(b.efi_file, "shimx64.efi");
	assert_holds("/boot/efi/EFI/lab-os/shimx64.efi.new", "SHIM");
	assert_holds("/boot/efi/EFI/lab-os/grubx64.efi", "SIGNED");
	assert_holds("/boot/efi/EFI/lab-os/grub.cfg", "search.fs_uuid " ROOT_UUID " root\n");
	assert_holds("/boot/efi/EFI/BOOT/grubx64.efi", "SIGNED");
	assert_holds("/boot/efi/EFI/BOOT/mmx64.efi", "MANAGER");
	assert_false(tree_exists(tree, "/boot/efi/EFI/BOOT/BOOTX64.EFI"));
	assert_false(tree_exists(tree, "/boot/efi/EFI/BOOT/fbx64.efi"));
	assert_int_equal(bootloader_activate(&b, &e), 0);
	assert_holds("/boot/efi/EFI/lab-os/shimx64.efi", "SHIM");
	assert_holds("/boot/efi/EFI/BOOT/BOOTX64.EFI", "SHIM");
	bootloader_clear(&b);
}

/* Without a loader for the firmware the error says what to add. */
static void test_missing(void **state)
{
	struct config c = {.told = {.arch = VM_ARCH_ARM64, .kernel_version = "6.9"}};
	struct err e = ERR_INIT;
	struct bootloader b;

	(void)state;
	system_make();
	put("/etc/os-release", "ID=installer\n");
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), -ENOENT);
	assert_string_equal(
	    e.msg, "the image has no GRUB for arm64-efi: build it with grub-efi-arm64");
	assert_string_equal(b.release.id, "linux");
	assert_string_equal(b.kernel.path, "/boot/vmlinuz-6.9");
	bootloader_clear(&b);

	c.told.arch = VM_ARCH_AMD64;
	assert_int_equal(bootloader_stage(tree, directory, &c, &bios, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "the image has no GRUB for i386-pc: build it with grub-pc-bin");
	assert_string_equal(b.kind->name, "grub-bios");
	bootloader_clear(&b);
}

static void test_no_kernel(void **state)
{
	struct config c = {.told = {.arch = VM_ARCH_AMD64}};
	struct err e = ERR_INIT;
	struct bootloader b;

	(void)state;
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), -ENOENT);
	assert_string_equal(e.msg, "the image has no kernel (/boot/vmlinuz-*): build it with one");
	bootloader_clear(&b);
	put("/boot/vmlinuz-1", "kernel");
	assert_int_equal(bootloader_stage(tree, directory, &c, &uefi, &b, &e), -ENOENT);
	assert_string_equal(e.msg,
	    "the image has neither an initramfs for kernel 1 nor a program to make one (update-initramfs, dracut, mkinitcpio, mkinitfs)");
	bootloader_clear(&b);
}

static void test_words(void **state)
{
	struct err e = ERR_INIT;
	char *text;

	(void)state;
	assert_int_equal(
	    kernel_cmdline_render(ROOT_UUID, "ttyS0", "modules=sd-mod,ext4 rootfstype=ext4",
		" quiet  mem=1G a=b&c ", &text, &e),
	    0);
	assert_string_equal(text,
	    "root=UUID=" ROOT_UUID " ro quiet console=tty0 console=ttyS0,115200 "
	    "modules=sd-mod,ext4 rootfstype=ext4 quiet mem=1G a=b&c");
	free(text);
	assert_int_equal(kernel_cmdline_render(ROOT_UUID, "ttyAMA0", NULL, NULL, &text, &e), 0);
	assert_string_equal(
	    text, "root=UUID=" ROOT_UUID " ro quiet console=tty0 console=ttyAMA0,115200");
	free(text);
}

static void test_nvram(void **state)
{
	static const uint8_t expected[] = {
	    1, 0, 0, 0, 58, 0, 'd', 0, 0, 0,                 /* attributes, path length, "d" */
	    4, 1, 42, 0, 1, 0, 0, 0,                         /* hard drive, partition 1 */
	    0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, /* start 2048, 1048576 sectors */
	    0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
	    0xee, 0xff, 2, 2,                           /* GUID, GPT */
	    4, 4, 12, 0, '\\', 0, 'A', 0, 'B', 0, 0, 0, /* file */
	    0x7f, 0xff, 4, 0,                           /* end */
	};
	struct plan_partition esp = {.start_lba = 2048,
	    .sectors = 1048576,
	    .part_uuid = "00112233-4455-6677-8899-aabbccddeeff"};
	uint8_t out[NVRAM_OPTION_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(nvram_option_build("d", &esp, 1, "\\AB", out, &e), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
	strcpy(esp.part_uuid, "nonsense");
	assert_int_equal(nvram_option_build("d", &esp, 1, "\\AB", out, &e), -EINVAL);

	uint16_t order[5] = {3, 7, 1, 7};
	assert_int_equal(nvram_order_append(order, 4, 7), 3);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 7);
	assert_int_equal(nvram_order_append(order, 0, 9), 1);
	assert_int_equal(order[0], 9);
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

static const uint8_t pxe[] = {1, 0, 0, 0, 0x3a, 0, 'P', 0, 'X', 0, 'E', 0, 0x1b, 4, 0, 0, 2, 1, 12,
    0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0, 3, 11, 37, 0, 0x52, 0x54, 0, 0, 0, 1};

static void test_nvram_network(void **state)
{
	static const bool network[] = {false, true, false, true};
	uint16_t order[] = {1, 2, 3, 4};
	char title[NVRAM_TITLE_SIZE];
	uint8_t option[NVRAM_OPTION_MAX];
	struct err e = ERR_INIT;

	(void)state;
	assert_true(nvram_option_is_network(pxe, sizeof(pxe), title));
	assert_string_equal(title, "PXE?");
	/* Cut anywhere it is read to its end at most. */
	for (size_t len = 0; len < sizeof(pxe); len++) {
		uint8_t *cut = malloc(len + 1);
		memcpy(cut, pxe, len);
		assert_int_equal(nvram_option_is_network(cut, len, NULL), len >= 32);
		free(cut);
	}
	const struct plan_partition esp = {.start_lba = 1, .sectors = 2, .part_uuid = ROOT_UUID};
	int len = nvram_option_build("disk", &esp, 1, "\\A", option, &e);
	assert_true(len > 0);
	assert_false(nvram_option_is_network(option, (size_t)len, title));
	assert_string_equal(title, "disk");
	nvram_order_move(order, network, 4, true);
	assert_memory_equal(order, ((uint16_t[]){2, 4, 1, 3}), sizeof(order));
	nvram_order_move(order, (const bool[]){true, true, false, false}, 4, false);
	assert_memory_equal(order, ((uint16_t[]){1, 3, 2, 4}), sizeof(order));
	nvram_order_move(order, network, 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_TREE(test_efi),
	    IN_TREE(test_shim),
	    IN_TREE(test_missing),
	    IN_TREE(test_no_kernel),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_nvram),
	    cmocka_unit_test(test_nvram_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
