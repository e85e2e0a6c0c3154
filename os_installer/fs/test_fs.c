/* test_fs.c - the table of file systems, and the swap header. Made, mounted and grown they are in
 * tests/installer/test_loop.sh and tests/installer/test_disk_image.py.
 */
#include <blkid/blkid.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/definition/storage.h"
#include "os_installer/fs/fs.h"
#include "os_installer/fs/swap.h"

#define MIB (1ULL << 20)
#define UUID "f7845486-9ad7-4ce2-9e45-58e0a208a2dc"

/* Whatever a definition may ask for can be made. */
static void test_table(void **state)
{
	(void)state;
	for (enum storage_fs fs = 0; fs < STORAGE_FS_COUNT; fs++) {
		const struct fs_kind *kind = fs_find(file_systems[fs].name);
		assert_non_null(kind);
		assert_string_equal(kind->name, file_systems[fs].name);
		assert_non_null(kind->make);
		assert_int_equal(strlen(kind->gpt_type), 36);
		assert_true(!kind->growing_program == !kind->growing_package);
		assert_true(!kind->grow_unmounted == !kind->grow_unmounted_program);
	}
	assert_null(fs_find("ext3"));
}

static void test_not_grown(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(fs_grow(NULL, "/", MIB, &e), FS_GROW_UNKNOWN);
	assert_int_equal(fs_grow(fs_find("vfat"), "/", MIB, &e), FS_GROW_UNKNOWN);
	assert_int_equal(fs_grow(fs_find("xfs"), "/nosuch", MIB, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "cannot grow the xfs file system on /nosuch"));
}

/* Read back by the library that the installed system will read it with. */
static void swap_check(size_t page_bytes)
{
	uint8_t *page = malloc(page_bytes);
	int fd = memfd_create("swap", 0);
	const char *value;

	assert_true(fd >= 0);
	swap_header("swap-label", UUID, 64 * MIB, page_bytes, page);
	assert_int_equal(ftruncate(fd, 64 * MIB), 0);
	assert_int_equal(pwrite(fd, page, page_bytes, 0), page_bytes);
	uint32_t last_page;
	memcpy(&last_page, page + 1028, sizeof(last_page));
	assert_int_equal(last_page, 64 * MIB / page_bytes - 1);

	blkid_probe pr = blkid_new_probe();
	assert_int_equal(blkid_probe_set_device(pr, fd, 0, 0), 0);
	assert_int_equal(blkid_do_safeprobe(pr), 0);
	assert_int_equal(blkid_probe_lookup_value(pr, "TYPE", &value, NULL), 0);
	assert_string_equal(value, "swap");
	assert_int_equal(blkid_probe_lookup_value(pr, "UUID", &value, NULL), 0);
	assert_string_equal(value, UUID);
	assert_int_equal(blkid_probe_lookup_value(pr, "LABEL", &value, NULL), 0);
	assert_string_equal(value, "swap-label");
	blkid_free_probe(pr);
	close(fd);
	free(page);
}

static void test_swap(void **state)
{
	(void)state;
	swap_check(4096);
	swap_check(16384);
	swap_check(65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_not_grown),
	    cmocka_unit_test(test_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
