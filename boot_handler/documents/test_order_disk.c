/* Which disk is meant, by a machine's inventory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/documents/order_disk.h"

static const char inventory[] =
    "{\"format\":1,\"disks\":["
    "{\"name\":\"vda\",\"size_bytes\":1000,\"serial\":\"S-1\",\"model\":\"M\",\"removable\":false},"
    "{\"name\":\"vdb\",\"size_bytes\":2000,\"serial\":null},"
    "{\"name\":\"nvme0n1\",\"size_bytes\":3000,\"serial\":\"same\",\"transport\":\"nvme\"},"
    "{\"name\":\"nvme1n1\",\"size_bytes\":3000,\"serial\":\"same\",\"transport\":\"nvme\"},"
    "{\"name\":\"sr1\",\"size_bytes\":9000,\"removable\":true},"
    "{\"name\":\"sdz\",\"size_bytes\":null}, {\"name\":7}, 7]}";

static void found(void **state)
{
	static const struct {
		const char *wanted, *name, *serial;
		int size;
		const char *refused;
	} rows[] = {
	    {"\"vda\"", "vda", "S-1", 1000, NULL},
	    {"\"/dev/vdb\"", "vdb", NULL, 2000, NULL},
	    {"\"s-1\"", "vda", "S-1", 1000, NULL},
	    {"\"sr1\"", "sr1", NULL, 9000, NULL},
	    {"{\"serial\":\"S-1\"}", "vda", "S-1", 1000, NULL},
	    {"{\"pick\":\"smallest\",\"min_size\":\"1500\"}", "vdb", NULL, 2000, NULL},
	    {"{\"model\":\"N*\"}", NULL, NULL, 0, "no disk of web1 is what is said of it"},
	    {"{\"path\":\"/dev/nvme1n1\"}", "nvme1n1", "same", 3000, NULL},
	    {"\"same\"", NULL, NULL, 0, "several disks of web1 are \"same\", say more: there are "},
	    {"{\"transport\":\"nvme\"}", NULL, NULL, 0,
		"several disks of web1 are what is said of it"},
	    {"{\"pick\":\"largest\"}", NULL, NULL, 0, "several disks"},
	    {"\"vdc\"", NULL, NULL, 0,
		"no disk of web1 is \"vdc\", as its last inventory tells: there are /dev/vda "},
	    {"\"sdz\"", NULL, NULL, 0, "the disk sdz of web1 tells no size"},
	    {"\"\"", NULL, NULL, 0, "no disk of web1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *wanted = json_loads(rows[i].wanted, JSON_DECODE_ANY, NULL), *disk = NULL;
		struct err e = ERR_INIT;
		int r = order_disk_find("web1", inventory, wanted, &disk, &e);
		if (rows[i].refused && (r >= 0 || !strstr(e.msg, rows[i].refused)))
			fail_msg("%s: %d %s", rows[i].wanted, r, e.msg);
		if (!rows[i].refused) {
			if (r < 0)
				fail_msg("%s: %s", rows[i].wanted, e.msg);
			json_t *want = json_pack("{s:s, s:s?, s:i}", "name", rows[i].name, "serial",
			    rows[i].serial, "size_bytes", rows[i].size);
			assert_true(json_equal(disk, want));
			json_decref(want);
		}
		json_decref(disk);
		json_decref(wanted);
	}
}

static void none(void **state)
{
	static const char *const inventories[] = {"{}", "{\"disks\":{}}", "{\"disks\":[]}", "x"};

	(void)state;
	for (size_t i = 0; i < sizeof(inventories) / sizeof(*inventories); i++) {
		json_t *wanted = json_string("vda"), *disk = NULL;
		struct err e = ERR_INIT;
		assert_true(order_disk_find("web1", inventories[i], wanted, &disk, &e) < 0);
		assert_non_null(strstr(e.msg, "it has none"));
		json_decref(wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(found), cmocka_unit_test(none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
