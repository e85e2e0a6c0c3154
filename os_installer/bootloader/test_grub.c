/* test_grub.c - GRUB's configuration, to the letter, and its images for a BIOS. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/bootloader/grub_core.h"

#define ROOT_UUID "f7845486-9ad7-4ce2-9e45-58e0a208a2dc"
#define BASE "root=UUID=" ROOT_UUID " ro quiet console=tty0 console=ttyS0,115200"

static void test_grub_cfg(void **state)
{
	struct grub_cfg c = {
	    .title = "Debian GNU/Linux 13 (trixie)",
	    .boot_uuid = ROOT_UUID,
	    .kernel = "/boot/vmlinuz-6.12+deb13",
	    .initramfs = "/boot/initrd.img-6.12+deb13",
	    .cmdline = BASE " quiet mem=1G a=b&c",
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
	c.initramfs = NULL;
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, "menuentry 'x'\\'' {}rebootmenuentry '\\''' {\n"));
	assert_null(strstr(text, "initrd"));
	free(text);

	/* A word as long as the longest definition's. */
	char args[1025] = "x=";
	memset(args + 2, 'y', sizeof(args) - 3);
	c.cmdline = args;
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, args));
	free(text);
	c.cmdline = BASE;
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
	c.boot_uuid = "$x";
	assert_int_equal(grub_cfg_render(&c, &text, &e), -EINVAL);
	c.boot_uuid = ROOT_UUID;
	c.cmdline = "root=UUID=$x a;b";
	assert_int_equal(grub_cfg_render(&c, &text, &e), 0);
	assert_non_null(strstr(text, "\tlinux /boot/vmlinuz-1 'root=UUID=$x' 'a;b'\n"));
	free(text);
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
	assert_non_null(
	    strstr(text, "GRUB_CMDLINE_LINUX='console=tty0 console=ttyAMA0,115200 quiet'\n"));
	free(text);
}

static void images_make(uint8_t boot[512], uint8_t *core, size_t core_len)
{
	memset(boot, 0, 512);
	boot[0x5c] = 1;
	boot[0x64] = 0xff;
	boot[0x66] = 0xeb;
	boot[0x1fe] = 0x55;
	boot[0x1ff] = 0xaa;
	memset(core, 0, core_len);
	core[0x1f4] = 1;
	core[0x1fe] = 0x20;
	core[0x1ff] = 0x08;
}

static void test_core(void **state)
{
	static const uint8_t lba[] = {0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0};
	static const uint8_t extent[] = {0x79, 0x56, 0x34, 0x12, 0, 0, 0, 0, 58, 0, 0x20, 0x08};
	uint8_t boot[512], sector[512], core[30000], *out;
	struct err e = ERR_INIT;
	size_t len = 0;

	(void)state;
	images_make(boot, core, sizeof(core));
	core[29999] = 7;
	out = grub_core_prepare(
	    (char *)boot, 512, (char *)core, sizeof(core), 0x12345678, sector, &len, &e);
	assert_non_null(out);
	assert_int_equal(len, 59 * 512);
	assert_memory_equal(sector + 0x5c, lba, 8);
	assert_int_equal(sector[0x66], 0x90);
	assert_int_equal(sector[0x67], 0x90);
	assert_memory_equal(out + 0x1f4, extent, 12);
	assert_int_equal(out[29999], 7);
	assert_int_equal(out[30000], 0);
	free(out);

	/* Anything else than GRUB's own is refused, not written. */
	static const unsigned spoil[] = {0x5c, 0x64, 0x66, 0x1ff};
	for (size_t i = 0; i < 4; i++) {
		images_make(boot, core, sizeof(core));
		boot[spoil[i]] ^= 1;
		assert_null(grub_core_prepare(
		    (char *)boot, 512, (char *)core, sizeof(core), 9, sector, &len, &e));
	}
	images_make(boot, core, sizeof(core));
	assert_null(grub_core_prepare((char *)boot, 511, (char *)core, 30000, 9, sector, &len, &e));
	assert_null(grub_core_prepare((char *)boot, 512, (char *)core, 512, 9, sector, &len, &e));
	core[0x1f4 - 4] = 1; /* a second extent */
	assert_null(grub_core_prepare((char *)boot, 512, (char *)core, 30000, 9, sector, &len, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grub_cfg),
	    cmocka_unit_test(test_grub_others),
	    cmocka_unit_test(test_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
