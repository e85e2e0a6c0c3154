/* test_plan.c - how a disk is divided, when it is refused, and how that reads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/plan/plan.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct disk disk(const char *name, uint64_t bytes)
{
	struct disk d = {.size_bytes = bytes, .sector_bytes = 512};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	return d;
}

/* A request for "storage" as JSON (NULL: the default), of an image that unpacks to so much. */
static struct storage storage;
static struct plan_request request(const char *text, uint64_t unpacked)
{
	struct json_path bad;
	struct err e = ERR_INIT;

	storage_default(&storage);
	if (text) {
		json_t *value = json_loads(text, 0, NULL);
		assert_non_null(value);
		if (storage_parse(value, &storage, &bad, &e) < 0)
			fail_msg("%s: %s", text, e.msg);
		json_decref(value);
	}
	return (struct plan_request){
	    .storage = &storage, .unpacked_bytes = unpacked, .entries = unpacked ? 16000 : 0};
}

static void layout_check(uint64_t size, uint32_t sector)
{
	struct disk d = disk("vda", size);
	struct plan_request q = request(NULL, 400 * MIB);
	struct err e = ERR_INIT;
	struct plan p;

	d.sector_bytes = sector;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	assert_int_equal(p.count, 2);
	const struct plan_partition *esp = plan_partition(&p, PLAN_ESP);
	const struct plan_partition *root = plan_partition(&p, PLAN_ROOT);
	assert_int_equal(esp->start_lba * sector, MIB);
	assert_int_equal(esp->sectors * sector, 512 * MIB);
	assert_int_equal(root->start_lba, esp->start_lba + esp->sectors);
	assert_int_equal(root->start_lba * sector % MIB, 0);
	assert_int_equal(root->sectors * sector % MIB, 0);
	uint64_t end = (root->start_lba + root->sectors) * sector;
	assert_true(end + 33 * sector <= size); /* the backup table fits behind it */
	assert_true(end + 3 * MIB > size);      /* and little is lost */
	assert_true(root->sectors * sector >= p.root_needed_bytes);
	assert_int_equal(root->entries, q.entries);
	assert_int_equal(esp->entries, 0);
}

static void test_layout(void **state)
{
	(void)state;
	layout_check(8 * GIB, 512);
	layout_check(8 * GIB, 4096);
	layout_check(8 * GIB + 512, 512);
	layout_check(20 * GIB - 4096, 4096);
	layout_check(3000 * GIB, 512);
}

static void test_entries(void **state)
{
	struct plan_request q =
	    request("{\"partitions\":[{\"mount\":\"/usr\",\"size\":\"4G\"}]}", 400 * MIB);
	struct disk d = disk("vda", 8 * GIB);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	for (unsigned i = 0; i < p.count; i++)
		assert_int_equal(
		    p.part[i].entries, strcmp(p.part[i].mount, "/usr") == 0 ? q.entries : 0);
}

static char *printed(const struct plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	plan_print(f, p);
	fclose(f);
	return text;
}

static void test_printed(void **state)
{
	static const struct {
		const char *storage;
		enum vm_firmware firmware;
		uint64_t bytes;
		const char *text;
	} table[] = {
	    {NULL, VM_FIRMWARE_UEFI, 20 * GIB,
		"disk /dev/vda, 20.0 GiB, GPT\n"
		"  1  /boot/efi   vfat   512.0 MiB  sectors 2048 to 1050623\n"
		"  2  /           ext4    19.5 GiB  sectors 1050624 to 41940991\n"},
	    {"{\"swap\":\"2G\",\"partitions\":[{\"mount\":\"/"
	     "var\",\"size\":\"20%\",\"fs\":\"xfs\"},"
	     "{\"mount\":\"/\",\"size\":\"4G\"},{\"mount\":\"/srv\",\"size\":\"rest\"}]}",
		VM_FIRMWARE_BIOS, 20 * GIB,
		"disk /dev/vda, 20.0 GiB, GPT\n"
		"  1  bios-boot   -        1.0 MiB  sectors 2048 to 4095\n"
		"  2  swap        swap     2.0 GiB  sectors 4096 to 4198399\n"
		"  3  /var        xfs      4.0 GiB  sectors 4198400 to 12587007\n"
		"  4  /           ext4     4.0 GiB  sectors 12587008 to 20975615\n"
		"  5  /srv        ext4    10.0 GiB  sectors 20975616 to 41940991\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct plan_request q = request(table[i].storage, 0);
		struct disk d = disk("vda", table[i].bytes);
		struct err e = ERR_INIT;
		struct plan p;
		q.firmware = table[i].firmware;
		assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
		char *text = printed(&p);
		assert_string_equal(text, table[i].text);
		free(text);
	}
}

static void test_json(void **state)
{
	struct plan_request q = request("{\"swap\":\"1G\"}", 400 * MIB);
	struct disk d = disk("vda", 8 * GIB);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	json_t *doc = plan_json(&p);
	char *text = json_dumps(doc, JSON_COMPACT);
	assert_string_equal(text,
	    "{\"disk\":\"/dev/vda\",\"disk_bytes\":8589934592,\"table\":\"gpt\","
	    "\"needed_bytes\":814022656,\"partitions\":["
	    "{\"number\":1,\"role\":\"esp\",\"mount\":\"/boot/"
	    "efi\",\"fs\":\"vfat\",\"label\":\"ESP\","
	    "\"start_bytes\":1048576,\"size_bytes\":536870912},"
	    "{\"number\":2,\"role\":\"swap\",\"fs\":\"swap\",\"label\":\"swap\","
	    "\"start_bytes\":537919488,\"size_bytes\":1073741824},"
	    "{\"number\":3,\"role\":\"root\",\"mount\":\"/\",\"fs\":\"ext4\",\"label\":\"root\","
	    "\"start_bytes\":1611661312,\"size_bytes\":6977224704}]}");
	free(text);
	json_decref(doc);
}

/* Every layout, from byte to byte: what is refused says so, and the size that is named is taken
 * and, to the alignment, the smallest. */
static void test_too_small(void **state)
{
	static const struct {
		const char *storage;
		uint64_t least_mib, most_mib;
	} table[] = {
	    {NULL, 900, 2048},
	    {"{\"root\":{\"fs\":\"btrfs\"}}", 1200, 2400},
	    {"{\"swap\":\"1G\"}", 1900, 3000},
	    {"{\"swap\":\"50%\"}", 1900, 4000},
	    {"{\"partitions\":[{\"mount\":\"/var\",\"size\":\"20%\",\"fs\":\"xfs\"}]}", 1500, 2500},
	    {"{\"partitions\":[{\"mount\":\"/\",\"size\":\"2G\"},"
	     "{\"mount\":\"/data\",\"size\":\"rest\",\"fs\":\"btrfs\"}]}",
		2816, 2820},
	    {"{\"partitions\":[{\"mount\":\"/usr\",\"size\":\"2G\"}]}", 2800, 3000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct plan_request q = request(table[i].storage, 392 * MIB);
		uint64_t low = 0, high = 100 * GIB;
		struct err e = ERR_INIT;
		struct plan p;
		while (high - low > 1) {
			uint64_t middle = low + (high - low) / 2;
			struct disk d = disk("vda", middle);
			int r = plan_make(&q, &d, 1, &p, &e);
			assert_true(r == 0 || r == -ENOSPC);
			if (r == 0) {
				high = middle;
			} else {
				assert_non_null(strstr(e.msg, "too small"));
				low = middle;
			}
		}
		assert_true(high > table[i].least_mib * MIB && high < table[i].most_mib * MIB);
		uint64_t named = plan_min_bytes(&q);
		struct disk d = disk("vda", named);
		assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
		assert_true(named + 2 * MIB > high && named < high + 2 * MIB);
	}
}

static void test_refused(void **state)
{
	struct plan_request q = request(NULL, 400 * MIB);
	struct disk d = disk("vda", 8 * GIB);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	assert_int_equal(plan_make(&q, NULL, 0, &p, &e), -ENODEV);
	d.sector_bytes = 520;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), -ENOTSUP);
	d.sector_bytes = 4096;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	q.firmware = VM_FIRMWARE_BIOS;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), -ENOTSUP);
	d.sector_bytes = 512;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);

	/* A root of fixed size that the image does not fit in: no disk helps. */
	q = request("{\"partitions\":[{\"mount\":\"/\",\"size\":\"500M\"}]}", 400 * MIB);
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "fits no disk: / gets 500.0 MiB and needs 776.3 MiB"));
	/* The message says which partition is too small. */
	q = request("{\"partitions\":[{\"mount\":\"/var\",\"size\":\"2%\"}]}", 400 * MIB);
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), -ENOSPC);
	assert_non_null(
	    strstr(e.msg, "disk /dev/vda has 8.0 GiB, too small: the image unpacks to 400.0 "
			  "MiB and the layout needs a disk of at least 12.5 GiB, where /var would "
			  "get 163.0 MiB and "
			  "needs 256.0 MiB"));
	/* Two disks alike and a match that cannot tell them apart. */
	struct disk twins[2] = {disk("vda", 8 * GIB), disk("vdb", 8 * GIB)};
	struct disk_match match = {.pick = DISK_PICK_LARGEST};
	q = request(NULL, 400 * MIB);
	q.match = &match;
	assert_int_equal(plan_make(&q, twins, 2, &p, &e), -ENOTUNIQ);
	q.match = NULL;
	assert_int_equal(plan_make(&q, twins, 2, &p, &e), 0);
	assert_string_equal(p.disk.name, "vda");
}

static void test_whole_disk(void **state)
{
	struct plan_request q = request(NULL, 8 * GIB);
	struct disk disks[2] = {disk("vda", 8 * GIB - 1), disk("vdb", 8 * GIB)};
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	assert_int_equal(plan_whole_disk(&q, disks, 2, &p, &e), 0);
	assert_string_equal(p.disk.name, "vdb");
	assert_int_equal(p.count, 0);
	assert_int_equal(plan_whole_disk(&q, disks, 1, &p, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "disk of 8.0 GiB"));
}

static int random_fixed(void *buf, size_t len, struct err *e)
{
	(void)e;
	memset(buf, 0xab, len);
	return 0;
}

static void test_names(void **state)
{
	struct plan_request q = request(NULL, 400 * MIB);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	struct disk nvme = disk("nvme0n1", 8 * GIB);
	assert_int_equal(plan_make(&q, &nvme, 1, &p, &e), 0);
	assert_string_equal(p.part[1].path, "/dev/nvme0n1p2");
	struct disk vda = disk("vda", 8 * GIB);
	assert_int_equal(plan_make(&q, &vda, 1, &p, &e), 0);
	assert_string_equal(p.part[0].path, "/dev/vda1");
	assert_int_equal(plan_assign_uuids(&p, random_fixed, &e), 0);
	assert_string_equal(p.part[0].fs_uuid, "ABAB-ABAB");
	assert_string_equal(p.part[1].fs_uuid, "abababab-abab-4bab-abab-abababababab");
}

static int mount_append(void *ctx, const struct plan_partition *part)
{
	strcat(ctx, part->mount);
	strcat(ctx, " ");
	return strcmp(part->mount, "/stop") == 0;
}

static void test_mounts(void **state)
{
	struct plan_request q = request(
	    "{\"swap\":\"1G\",\"partitions\":["
	    "{\"mount\":\"/srv/a/b\",\"size\":\"1G\"},{\"mount\":\"/srv/a\",\"size\":\"1G\"},"
	    "{\"mount\":\"/srv\",\"size\":\"1G\"},{\"mount\":\"/boot\",\"size\":\"1G\"}]}",
	    0);
	struct disk d = disk("vda", 20 * GIB);
	struct err e = ERR_INIT;
	struct plan p;
	char order[200] = "";

	(void)state;
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	assert_int_equal(plan_each_mount(&p, mount_append, order), 0);
	assert_string_equal(order, "/ /srv /boot /srv/a /srv/a/b ");
	assert_string_equal(plan_boot(&p)->mount, "/boot");
	assert_int_equal(plan_boot(&p)->sectors * 512, GIB);
	q = request(NULL, 0);
	assert_int_equal(plan_make(&q, &d, 1, &p, &e), 0);
	assert_string_equal(plan_boot(&p)->mount, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_layout),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_printed),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_too_small),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_whole_disk),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
