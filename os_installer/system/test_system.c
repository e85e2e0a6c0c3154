/* test_system.c - the texts written into an installed system, to the letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/system/system.h"

#define ROOT_UUID "f7845486-9ad7-4ce2-9e45-58e0a208a2dc"

static void test_fstab(void **state)
{
	struct plan p = {.count = 2,
	    .part = {
		{.role = PLAN_ESP,
		    .fs = STORAGE_FS_VFAT,
		    .mount = "/boot/efi",
		    .fs_uuid = "386C-FC3E"},
		{.role = PLAN_ROOT, .fs = STORAGE_FS_EXT4, .mount = "/", .fs_uuid = ROOT_UUID},
	    }};
	char *text = system_fstab(&p);

	(void)state;
	assert_string_equal(text, "# <file system> <mount point> <type> <options> <dump> <pass>\n"
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
	char *text = system_fstab(&p);

	(void)state;
	assert_string_equal(text, "# <file system> <mount point> <type> <options> <dump> <pass>\n"
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
	    {NULL, "web1",
		"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
		"ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n127.0.1.1 web1\n"},
	    {"127.0.0.1 localhost\n127.0.1.1\timage image.lan\n# end", "web1.lab.local",
		"127.0.0.1 localhost\n# end\n127.0.1.1 web1.lab.local web1\n"},
	    {"127.0.1.10 other\n", "a", "127.0.1.10 other\n127.0.1.1 a\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *text = system_hosts(table[i].old, table[i].hostname);
		assert_string_equal(text, table[i].expected);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fstab),
	    cmocka_unit_test(test_fstab_of_many),
	    cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
