/* test_emit.c - the texts and bytes written into an installed system, to the letter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/cmdline.h"
#include "os_installer/fetch/digest.h"
#include "os_installer/system/system.h"

#define ROOT_UUID "f7845486-9ad7-4ce2-9e45-58e0a208a2dc"

static void test_grub_cfg(void **state)
{
	struct grub_cfg c = {
	    .title = "Debian GNU/Linux 13 (trixie)",
	    .root_uuid = ROOT_UUID,
	    .boot_uuid = ROOT_UUID,
	    .kernel = "/boot/vmlinuz-6.12+deb13",
	    .initramfs = "/boot/initrd.img-6.12+deb13",
	    .console = "ttyS0",
	    .kernel_args = "quiet  mem=1G a=b&c",
	};
	struct err e = ERR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_string_equal(text,
	    "# Written by the installer. The system's own update-grub replaces this file.\n"
	    "set default=0\n"
	    "set timeout=1\n"
	    "search --no-floppy --fs-uuid --set=root " ROOT_UUID "\n"
	    "\n"
	    "menuentry 'Debian GNU/Linux 13 (trixie)' {\n"
	    "\tlinux /boot/vmlinuz-6.12+deb13 root=UUID=" ROOT_UUID
	    " ro quiet console=tty0 console=ttyS0,115200 quiet mem=1G 'a=b&c'\n"
	    "\tinitrd /boot/initrd.img-6.12+deb13\n"
	    "}\n");
	free(text);

	/* A title is an image's text: it stays a title. */
	c.title = "x' {\n}\nreboot\nmenuentry '";
	c.initramfs = c.kernel_args = NULL;
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, "menuentry 'x'\\'' {}rebootmenuentry '\\''' {\n"));
	assert_null(strstr(text, "initrd"));
	free(text);

	c.kernel_args = " quiet  mem=1G a=b&c ";
	c.arguments = "modules=sd-mod,ext4 rootfstype=ext4";
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, "ttyS0,115200 modules=sd-mod,ext4 rootfstype=ext4 quiet mem=1G 'a=b&c'\n"));
	free(text);
	assert_int_equal(grub_cfg_cmdline(&c, &text, &e), 0);
	assert_non_null(strstr(text, "ttyS0,115200 modules=sd-mod,ext4 rootfstype=ext4 quiet mem=1G a=b&c"));
	free(text);
	c.arguments = NULL;
	assert_int_equal(grub_cfg_cmdline(&c, &text, &e), 0);
	assert_string_equal(text, "root=UUID=" ROOT_UUID
				  " ro quiet console=tty0 console=ttyS0,115200 quiet mem=1G a=b&c");
	free(text);
	/* A word as long as the longest definition's. */
	char args[1025] = "x=";
	memset(args + 2, 'y', sizeof(args) - 3);
	c.kernel_args = args;
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, args));
	free(text);
	c.kernel_args = NULL;
	/* /boot of its own: found by its own UUID, without /boot in its paths. */
	c.kernel = "/vmlinuz-1";
	c.boot_uuid = "b-o-o-t";
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, "--set=root b-o-o-t\n"));
	assert_non_null(strstr(text, "\tlinux /vmlinuz-1 root=UUID=" ROOT_UUID " ro "));
	free(text);

	c.kernel = "/boot/vmlinuz-1; reboot";
	assert_int_equal(grub_cfg_render(&c, &text, &e), -EINVAL);
	c.kernel = "/boot/vmlinuz-1";
	c.root_uuid = "$x";
	assert_int_equal(grub_cfg_render(&c, &text, &e), -EINVAL);
}

static void test_grub_others(void **state)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(grub_cfg_render_stub(ROOT_UUID, "/boot/grub", &text, &e), 0);
	assert_string_equal(text, "search.fs_uuid " ROOT_UUID " root\n"
				  "set prefix=($root)/boot/grub\n"
				  "configfile $prefix/grub.cfg\n");
	free(text);
	assert_int_equal(grub_cfg_render_defaults("ttyAMA0", "quiet", &text, &e), 0);
	assert_non_null(strstr(text, "GRUB_CMDLINE_LINUX='console=tty0 console=ttyAMA0,115200 quiet'\n"));
	free(text);
}

static void test_fstab(void **state)
{
	struct plan p = {.count = 2,
	    .part = {
		{.role = PLAN_ESP, .fs = STORAGE_FS_VFAT, .mount = "/boot/efi", .fs_uuid = "386C-FC3E"},
		{.role = PLAN_ROOT, .fs = STORAGE_FS_EXT4, .mount = "/", .fs_uuid = ROOT_UUID},
	    }};
	char *text = target_fstab(&p);

	(void)state;
	assert_string_equal(text,
	    "# <file system> <mount point> <type> <options> <dump> <pass>\n"
	    "UUID=" ROOT_UUID " / ext4 errors=remount-ro 0 1\n"
	    "UUID=386C-FC3E /boot/efi vfat umask=0077,nofail 0 0\n");
	free(text);
}

static void test_fstab_of_many(void **state)
{
	struct plan p = {.count = 8,
	    .part = {
		{.role = PLAN_BIOS_BOOT},
		{.role = PLAN_SWAP, .fs = STORAGE_FS_SWAP, .fs_uuid = "u-swap"},
		{.role = PLAN_DATA, .fs = STORAGE_FS_EXT4, .mount = "/srv/a", .fs_uuid = "u-a"},
		{.role = PLAN_DATA, .fs = STORAGE_FS_XFS, .mount = "/srv", .fs_uuid = "u-srv"},
		{.role = PLAN_DATA, .fs = STORAGE_FS_BTRFS, .mount = "/var", .fs_uuid = "u-var"},
		{.role = PLAN_DATA, .fs = STORAGE_FS_VFAT, .mount = "/mnt", .fs_uuid = "1-2"},
		{.role = PLAN_SWAP, .fs = STORAGE_FS_SWAP, .fs_uuid = "u-swap2"},
		{.role = PLAN_ROOT, .fs = STORAGE_FS_XFS, .mount = "/", .fs_uuid = "u-root"},
	    }};
	char *text = target_fstab(&p);

	(void)state;
	assert_string_equal(text,
	    "# <file system> <mount point> <type> <options> <dump> <pass>\n"
	    "UUID=u-root / xfs defaults 0 0\n"
	    "UUID=u-srv /srv xfs defaults 0 0\n"
	    "UUID=u-var /var btrfs defaults 0 0\n"
	    "UUID=1-2 /mnt vfat umask=0022 0 0\n"
	    "UUID=u-a /srv/a ext4 defaults 0 2\n"
	    "UUID=u-swap none swap sw 0 0\n"
	    "UUID=u-swap2 none swap sw 0 0\n");
	free(text);
}

static void test_hosts(void **state)
{
	static const struct {
		const char *old, *hostname, *expected;
	} table[] = {
	    {NULL, "web1", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
			   "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n127.0.1.1 web1\n"},
	    {"127.0.0.1 localhost\n127.0.1.1\timage image.lan\n# end", "web1.lab.local",
		"127.0.0.1 localhost\n# end\n127.0.1.1 web1.lab.local web1\n"},
	    {"127.0.1.10 other\n", "a", "127.0.1.10 other\n127.0.1.1 a\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *text = target_hosts(table[i].old, table[i].hostname);
		assert_string_equal(text, table[i].expected);
		free(text);
	}
}

static void test_nvram(void **state)
{
	static const uint8_t expected[] = {
	    1, 0, 0, 0, 58, 0, 'd', 0, 0, 0,                /* attributes, path length, "d" */
	    4, 1, 42, 0, 1, 0, 0, 0,                        /* hard drive, partition 1 */
	    0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, /* start 2048, 1048576 sectors */
	    0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
	    0xff, 2, 2,                                     /* GUID, GPT */
	    4, 4, 12, 0, '\\', 0, 'A', 0, 'B', 0, 0, 0,     /* file */
	    0x7f, 0xff, 4, 0,                               /* end */
	};
	struct plan_partition esp = {.start_lba = 2048, .sectors = 1048576,
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

static void test_cmdline(void **state)
{
	static const char text[] = "initrd=magic quiet config_url=http://a/1 \"x=with space\" "
				   "config_url=http://a/2 xconfig_url=no empty=\n";
	char out[64];

	(void)state;
	assert_true(cmdline_get(text, "config_url", out, sizeof(out)));
	assert_string_equal(out, "http://a/2");
	assert_true(cmdline_get(text, "x", out, sizeof(out)));
	assert_string_equal(out, "with space");
	assert_true(cmdline_get(text, "empty", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(cmdline_get(text, "quiet", out, sizeof(out)));
	assert_false(cmdline_get(text, "config_url", out, 5));
}

static void test_digest(void **state)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct digest_state s;
	struct digest d, parsed;
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	digest_init(&s);
	digest_update(&s, "a", 1);
	digest_update(&s, "bc", 2);
	digest_final(&s, &d);
	assert_string_equal(digest_format(&d, text), abc);
	assert_true(digest_parse(abc, &parsed));
	assert_true(digest_equal(&d, &parsed));
	assert_false(digest_parse("ba78", &parsed));
	assert_false(digest_parse(
	    "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &parsed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grub_cfg),
	    cmocka_unit_test(test_grub_others),
	    cmocka_unit_test(test_fstab),
	    cmocka_unit_test(test_fstab_of_many),
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_nvram),
	    cmocka_unit_test(test_cmdline),
	    cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
