/* test_disk.c - bytes that are written to a disk, and what is asked of this machine's disks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/bootloader/grub_core.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/scan.h"

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

static void test_grub_bios(void **state)
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

/* Whatever this machine has: every text is one, and nothing is taken for a disk that is none. */
static void test_list(void **state)
{
	struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	struct err e = ERR_INIT;
	char line[500];

	(void)state;
	int n = disk_list(NULL, 0, disks, DISKS_MAX, &e);
	for (int i = 0; i < n; i++) {
		print_message("%s%s%s\n", disk_describe(&disks[i], line, sizeof(line)),
		    disks[i].excluded[0] ? ", left alone: " : "", disks[i].excluded);
		assert_true(disks[i].size_bytes > 0);
		assert_true(disks[i].transport[0] != '\0');
	}
	assert_int_equal(disk_list("/dev/nosuch", 0, disks, DISKS_MAX, &e), -ENODEV);
	free(disks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grub_bios),
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
