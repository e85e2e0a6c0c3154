/* test_installed.c - what of an fstab is mounted; finding and mounting a system is
 * tests/installer/test_agent_disk.py's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/system/installed.h"

static void what_is_mounted_of_an_fstab(void **state)
{
	static const char text[] =
	    "# comment\n"
	    "UUID=1 / ext4 errors=remount-ro 0 1\n"
	    "UUID=2\t/boot   ext4 defaults,noatime 0 2\n"
	    "\n"
	    "UUID=3 /boot/efi vfat umask=0077,x-systemd.automount,nofail 0 1\n"
	    "UUID=4 none swap sw 0 0\n"
	    "LABEL=\"a b\" /srv xfs noauto 0 0\n"
	    "tmpfs /tmp tmpfs defaults 0 0\n"
	    "server:/x /mnt nfs defaults 0 0\n"
	    "/dev/vda5 /var btrfs ro,subvol=@var,compress=zstd:1 0 0\n"
	    "/srv/a /srv/b none bind 0 0\n"
	    "short\n"
	    "UUID=9 /last ext4";
	static const struct fstab_line expected[] = {
	    {"UUID=2", "/boot", "ext4", "", false},
	    {"UUID=3", "/boot/efi", "vfat", "umask=0077", false},
	    {"/dev/vda5", "/var", "btrfs", "subvol=@var,compress=zstd:1", true},
	    {"UUID=9", "/last", "ext4", "", false},
	};
	const char *rest = text;
	struct fstab_line line;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(fstab_next(&rest, &line));
		assert_string_equal(line.what, expected[i].what);
		assert_string_equal(line.where, expected[i].where);
		assert_string_equal(line.fs, expected[i].fs);
		assert_string_equal(line.options, expected[i].options);
		assert_int_equal(line.read_only, expected[i].read_only);
	}
	assert_false(fstab_next(&rest, &line));
	assert_false(fstab_next(&rest, &line));
	assert_string_equal(rest, "");
}

static void lines_of_any_length_end(void **state)
{
	char *text = malloc(20000), *p = text;
	struct fstab_line line;

	(void)state;
	memset(text, 'a', 19999);
	text[19999] = '\0';
	memcpy(text, "UUID=1 /x ext4 ", 15);
	const char *rest = text;
	assert_true(fstab_next(&rest, &line));
	assert_int_equal(strlen(line.options), 299);
	memset(text, ',', 19999);
	memcpy(text, "UUID=1 /x ext4 ", 15);
	rest = p;
	assert_true(fstab_next(&rest, &line));
	assert_string_equal(line.options, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_mounted_of_an_fstab),
	    cmocka_unit_test(lines_of_any_length_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
