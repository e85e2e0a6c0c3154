/* test_named_disk.c - which disk an order means, of those that are there now. */
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

#include "os_installer/agent/named_disk.h"

static const struct disk there[] = {
    {.name = "vda", .path = "/dev/vda", .size_bytes = 1000, .serial = "A-1"},
    {.name = "vdb", .path = "/dev/vdb", .size_bytes = 2000, .serial = "B-2"},
    {.name = "vdc", .path = "/dev/vdc", .size_bytes = 2000},
    {.name = "sda", .path = "/dev/sda", .size_bytes = 3000, .serial = "same"},
    {.name = "sdb", .path = "/dev/sdb", .size_bytes = 3000, .serial = "same"},
};

static void the_disk_is_the_one_that_was_meant(void **state)
{
	static const struct {
		const char *wanted;
		int result;
		const char *says; /* the disk's name, or the sentence */
	} cases[] = {
	    {"{'name':'vda','serial':'A-1','size_bytes':1000}", 0, "vda"},
	    /* Plugged in elsewhere meanwhile. */
	    {"{'name':'vdb','serial':'A-1','size_bytes':1000}", 0, "vda"},
	    {"{'name':'vdc','serial':null,'size_bytes':2000}", 0, "vdc"},
	    {"{'name':'vdc','size_bytes':2000}", 0, "vdc"},
	    {"{'name':'sdb','serial':'same','size_bytes':3000}", 0, "sdb"},
	    {"{'name':'sdx','serial':'same','size_bytes':3000}", -ENODEV, "serial number same"},
	    {"{'name':'vda','serial':'Z','size_bytes':1000}", -ENODEV, "this machine has /dev/vda"},
	    {"{'name':'vda','serial':null,'size_bytes':1000}", -ESTALE, "it has A-1"},
	    {"{'name':'vda','serial':'A-1','size_bytes':1001}", -ESTALE, "it has 1000"},
	    {"{'name':'vdc','serial':'C','size_bytes':2000}", -ENODEV, "serial number C"},
	    {"{'name':'vdd','serial':null,'size_bytes':2000}", -ENODEV, "disk vdd of 2000"},
	    {"{'serial':'A-1','size_bytes':1000}", -EINVAL, "does not say"},
	    {"{'name':'vda','serial':'A-1'}", -EINVAL, "does not say"},
	    {"{'name':7,'serial':7,'size_bytes':'x'}", -EINVAL, "does not say"},
	    {"[]", -EINVAL, "does not say"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[200];
		struct err e = ERR_INIT;
		struct disk found;
		snprintf(text, sizeof(text), "%s", cases[i].wanted);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		json_t *wanted = json_loads(text, 0, NULL);
		assert_non_null(wanted);
		int r = order_disk_choose(wanted, there, 5, &found, &e);
		if (r != cases[i].result || !strstr(r == 0 ? found.name : e.msg, cases[i].says))
			fail_msg("%s: %d %s", text, r, r == 0 ? found.name : e.msg);
		json_decref(wanted);
	}
}

static void a_machine_without_disks_says_so(void **state)
{
	json_t *wanted =
	    json_pack("{s:s, s:s, s:i}", "name", "vda", "serial", "A", "size_bytes", 5);
	struct err e = ERR_INIT;
	struct disk found;

	(void)state;
	assert_int_equal(order_disk_choose(wanted, NULL, 0, &found, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "has no disk at all"));
	assert_int_equal(order_disk_choose(NULL, there, 5, &found, &e), -EINVAL);
	json_decref(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_disk_is_the_one_that_was_meant),
	    cmocka_unit_test(a_machine_without_disks_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
