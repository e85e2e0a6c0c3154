/* test_disk_choice.c - disks[0].match: what it takes, what it chooses, and how it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/definition/disk_choice.h"

#define GIB (UINT64_C(1) << 30)

static const struct disk machine[] = {
    {.name = "sda",
	.path = "/dev/sda",
	.by_path = "pci-0000:00:1f.2-ata-1",
	.model = "QEMU HARDDISK",
	.serial = "VMLAB-0",
	.wwn = "naa.5000c500a1b2c3d4",
	.transport = "sata",
	.size_bytes = 8 * GIB,
	.sector_bytes = 512},
    {.name = "nvme0n1",
	.path = "/dev/nvme0n1",
	.by_path = "pci-0000:01:00.0-nvme-1",
	.model = "Samsung SSD 980 PRO 1TB",
	.serial = "S4EVNF0M123456",
	.wwn = "eui.002538b911b1",
	.transport = "nvme",
	.size_bytes = 931 * GIB,
	.sector_bytes = 512},
    {.name = "nvme1n1",
	.path = "/dev/nvme1n1",
	.model = "Samsung SSD 980 PRO 1TB",
	.serial = "S4EVNF0M999999",
	.transport = "nvme",
	.size_bytes = 931 * GIB,
	.sector_bytes = 512},
    {.name = "vda",
	.path = "/dev/vda",
	.serial = "",
	.transport = "virtio",
	.size_bytes = 4 * GIB,
	.sector_bytes = 512},
    {.name = "sdb",
	.path = "/dev/sdb",
	.model = "Stick",
	.transport = "usb",
	.excluded = "removable",
	.size_bytes = 16 * GIB,
	.sector_bytes = 512},
};
#define MACHINE_DISKS (sizeof(machine) / sizeof(*machine))

static int parse(const char *text, struct disk_match *m, char *where, struct err *e)
{
	json_t *value = json_loads(text, 0, NULL);
	struct json_path bad;

	assert_non_null(value);
	int r = disk_match_parse(value, m, &bad, e);
	json_path_format(&bad, where, 100);
	json_decref(value);
	return r;
}

static void test_parse_refuses(void **state)
{
	static const struct {
		const char *text, *where, *says;
	} table[] = {
	    {"{\"serial\":7}", "serial", "text in quotes"},
	    {"{\"serial\":\"a\\nb\"}", "serial", "printable"},
	    {"{\"path\":\"disk/by-path\"}", "path", "/dev/sda"},
	    {"{\"transport\":\"floppy\"}", "transport", "virtio, nvme"},
	    {"{\"min_size\":10}", "min_size", "unit"},
	    {"{\"min_size\":\"large\"}", "min_size", "unit"},
	    {"{\"min_size\":\"10G\",\"max_size\":\"1G\"}", "max_size", "no disk can match"},
	    {"{\"pick\":\"first\"}", "pick", "largest"},
	    {"{}", "", "says nothing"},
	    {"{\"serial\":\"\"}", "", "says nothing"},
	    {"[]", "", "must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct err e = ERR_INIT;
		struct disk_match m;
		char where[100];
		assert_int_equal(parse(table[i].text, &m, where, &e), -EINVAL);
		assert_string_equal(where, table[i].where);
		if (!strstr(e.msg, table[i].says))
			print_error("%s: %s\n", table[i].text, e.msg);
		assert_non_null(strstr(e.msg, table[i].says));
	}
}

static void note(void *ctx, const struct json_path *bad, const struct err *why)
{
	char *text = ctx;

	assert_int_equal(bad->depth, 1);
	assert_true(strlen(why->msg) > 10);
	strcat(strcat(text, bad->step[0].key), " ");
}

static void test_tells_all(void **state)
{
	struct disk_match m;
	char told[200] = "";
	json_t *value = json_loads("{\"serial\":7,\"path\":\"a/b\",\"transport\":\"floppy\","
				   "\"min_size\":\"2G\",\"max_size\":\"1G\",\"pick\":\"first\"}",
	    0, NULL);

	(void)state;
	assert_non_null(value);
	assert_int_equal(
	    disk_match_read(&(struct json_reader){.refuse = note, .ctx = told}, value, &m),
	    -EINVAL);
	assert_string_equal(told, "serial pick path transport max_size ");
	json_decref(value);
}

static void test_choice(void **state)
{
	static const struct {
		const char *text;
		int result; /* index, or -errno */
		const char *says[3];
	} table[] = {
	    {"{\"serial\":\"S4EVNF0M123456\"}", 1, {0}},
	    {"{\"serial\":\"s4evnf0m123456\"}", 1, {0}},
	    {"{\"path\":\"/dev/sda\"}", 0, {0}},
	    {"{\"path\":\"pci-0000:01:00.0-nvme-1\"}", 1, {0}},
	    {"{\"path\":\"/dev/disk/by-path/pci-0000:00:1f.2-ata-1\"}", 0, {0}},
	    {"{\"wwn\":\"0x5000C500A1B2C3D4\"}", 0, {0}},
	    {"{\"wwn\":\"wwn-0x5000c500a1b2c3d4\"}", 0, {0}},
	    {"{\"model\":\"qemu*\"}", 0, {0}},
	    {"{\"model\":\"*hard?isk\"}", 0, {0}},
	    {"{\"model\":\"[p-r]EMU*\"}", 0, {0}},
	    {"{\"model\":\"qemu\"}", -ENODEV, {"another model"}},
	    {"{\"model\":\"samsung*\",\"max_size\":\"1T\"}", -ENOTUNIQ,
		{"/dev/nvme0n1", "/dev/nvme1n1", "serial=S4EVNF0M999999"}},
	    {"{\"model\":\"samsung*\",\"pick\":\"largest\"}", -ENOTUNIQ, {"equally large"}},
	    {"{\"transport\":\"virtio\"}", 3, {0}},
	    {"{\"min_size\":\"5G\",\"max_size\":\"10G\"}", 0, {0}},
	    {"{\"min_size\":\"8G\",\"max_size\":\"8G\"}", 0, {0}},
	    {"{\"pick\":\"smallest\"}", 3, {0}},
	    {"{\"pick\":\"largest\",\"max_size\":\"100G\"}", 0, {0}},
	    {"{\"pick\":\"largest\"}", -ENOTUNIQ, {"equally large"}},
	    {"{\"serial\":\"none of these\"}", -ENODEV,
		{"/dev/sda 8.0 GiB sata model=QEMU HARDDISK serial=VMLAB-0", "(another serial)",
		    "/dev/vda 4.0 GiB virtio (no serial)"}},
	    {"{\"transport\":\"usb\"}", -ENODEV,
		{"/dev/sdb", "(removable)", "(another transport)"}},
	    {"{\"min_size\":\"2T\"}", -ENODEV, {"(smaller than min_size)"}},
	    {"{\"wwn\":\"0x1\"}", -ENODEV, {"(no wwn)", "(another wwn)"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct err e = ERR_INIT;
		struct disk_match m;
		char where[100];
		assert_int_equal(parse(table[i].text, &m, where, &e), 0);
		int r = disk_choose(&m, 8 * GIB, machine, MACHINE_DISKS, &e);
		if (r != table[i].result)
			print_error("%s: %d %s\n", table[i].text, r, e.msg);
		assert_int_equal(r, table[i].result);
		for (size_t n = 0; n < 3 && table[i].says[n]; n++) {
			if (!strstr(e.msg, table[i].says[n]))
				print_error("%s: %s\n", table[i].text, e.msg);
			assert_non_null(strstr(e.msg, table[i].says[n]));
		}
	}
}

/* More disks than a message holds: it stays one whole sentence. */
static void test_many(void **state)
{
	static struct disk disks[DISKS_MAX];
	struct disk_match m = {.serial = "x"};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < DISKS_MAX; i++) {
		snprintf(disks[i].name, sizeof(disks[i].name), "sd%zu", i);
		snprintf(disks[i].path, sizeof(disks[i].path), "/dev/sd%zu", i);
		memset(disks[i].model, 'm', sizeof(disks[i].model) - 1);
		memset(disks[i].serial, 's', sizeof(disks[i].serial) - 1);
		disks[i].size_bytes = GIB;
	}
	assert_int_equal(disk_choose(&m, 0, disks, DISKS_MAX, &e), -ENODEV);
	assert_non_null(strstr(e.msg, " more"));
	assert_true(strlen(e.msg) < sizeof(e.msg) - 1);
	assert_int_equal(disk_choose(&m, 0, NULL, 0, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "no disk"));
}

static void test_without_match(void **state)
{
	static const struct {
		const char *names[4];
		uint64_t gib[4];
		uint64_t first_gib;
		const char *taken;
	} table[] = {
	    {{"vda"}, {8}, 0, "vda"},
	    {{"vda"}, {8}, 20, "vda"},           /* the only one, whatever its size */
	    {{"vda", "vdb"}, {8, 20}, 0, "vdb"}, /* the largest */
	    {{"vda", "vdb"}, {8, 20}, 8, "vda"}, /* the definition's size */
	    {{"vdb", "vda"}, {8, 8}, 8, "vda"},  /* equal: in order of names */
	    {{"vdaa", "vdb"}, {8, 8}, 0, "vdb"},
	    {{"sdb", "nvme0n1", "sda"}, {9, 9, 9}, 7, "nvme0n1"},
	    {{"sdc", "sdb", "sda"}, {30, 20, 10}, 10, "sda"},
	    {{"nvme10n1", "nvme2n1"}, {9, 9}, 9, "nvme2n1"},
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct disk disks[5] = {{.name = "sdz",
		    .path = "/dev/sdz",
		    .excluded = "in use",
		    .size_bytes = 99 * GIB}};
		size_t n = 0;
		for (; n < 4 && table[i].names[n]; n++) {
			snprintf(disks[n + 1].name, DISK_NAME_SIZE, "%s", table[i].names[n]);
			disks[n + 1].size_bytes = table[i].gib[n] * GIB;
		}
		int r = disk_choose(NULL, table[i].first_gib * GIB, disks, n + 1, &e);
		assert_true(r > 0);
		assert_string_equal(disks[r].name, table[i].taken);
	}
	assert_int_equal(disk_choose(NULL, 0, NULL, 0, &e), -ENODEV);
	assert_int_equal(disk_choose(NULL, 0, &machine[4], 1, &e), -ENODEV);
	assert_non_null(strstr(e.msg, "/dev/sdb 16.0 GiB usb model=Stick (removable)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse_refuses),
	    cmocka_unit_test(test_tells_all),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_without_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
