/* test_scan.c - what is asked of this machine's disks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/disk/scan.h"

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
	    cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
