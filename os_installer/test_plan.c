/* test_plan.c - which disk is taken, how it is divided, when it is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/plan.h"
#include "os_installer/progress.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct disk disk(const char *name, uint64_t bytes)
{
	struct disk d = {.size_bytes = bytes, .sector_bytes = 512};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	return d;
}

static struct config config_of(uint64_t unpacked, uint64_t first_disk)
{
	struct config c = {.first_disk_bytes = first_disk};

	c.manifest.unpacked_bytes = unpacked;
	c.manifest.entries = 16000;
	return c;
}

static void test_choice(void **state)
{
	static const struct {
		const char *names[4];
		uint64_t gib[4];
		uint64_t first_gib;
		const char *taken;
	} table[] = {
	    {{"vda"}, {8}, 0, "vda"},
	    {{"vda"}, {8}, 20, "vda"},                     /* the only one, whatever its size */
	    {{"vda", "vdb"}, {8, 20}, 0, "vdb"},           /* the largest */
	    {{"vda", "vdb"}, {8, 20}, 8, "vda"},           /* the definition's size */
	    {{"vdb", "vda"}, {8, 8}, 8, "vda"},            /* equal: in order of names */
	    {{"vdaa", "vdb"}, {8, 8}, 0, "vdb"},
	    {{"sdb", "nvme0n1", "sda"}, {9, 9, 9}, 7, "nvme0n1"},
	    {{"sdc", "sdb", "sda"}, {30, 20, 10}, 10, "sda"},
	    {{"nvme10n1", "nvme2n1"}, {9, 9}, 9, "nvme2n1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct disk disks[4];
		size_t n = 0;
		for (; n < 4 && table[i].names[n]; n++)
			disks[n] = disk(table[i].names[n], table[i].gib[n] * GIB);
		struct config c = config_of(400 * MIB, table[i].first_gib * GIB);
		struct plan p;
		struct err e = ERR_INIT;
		assert_int_equal(plan_make(&c, disks, n, &p, &e), 0);
		assert_string_equal(p.disk.name, table[i].taken);
	}
}

static void layout_check(uint64_t size, uint32_t sector)
{
	struct disk d = disk("vda", size);
	struct config c = config_of(400 * MIB, 0);
	struct err e = ERR_INIT;
	struct plan p;

	d.sector_bytes = sector;
	assert_int_equal(plan_make(&c, &d, 1, &p, &e), 0);
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

/* From byte to byte: what is accepted has room, what is refused says so. */
static void test_too_small(void **state)
{
	struct config c = config_of(392 * MIB, 0);
	uint64_t low = 0, high = 100 * GIB;
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct disk d = disk("vda", middle);
		int r = plan_make(&c, &d, 1, &p, &e);
		assert_true(r == 0 || r == -ENOSPC);
		if (r == 0) {
			const struct plan_partition *root = plan_partition(&p, PLAN_ROOT);
			assert_true(root->sectors * 512 >= p.root_needed_bytes);
			high = middle;
		} else {
			assert_non_null(strstr(e.msg, "too small"));
			assert_non_null(strstr(e.msg, "nothing was written"));
			low = middle;
		}
	}
	assert_true(high > 900 * MIB && high < 2 * GIB);
}

static void test_refused(void **state)
{
	struct config c = config_of(400 * MIB, 0);
	struct disk d = disk("vda", 8 * GIB);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	assert_int_equal(plan_make(&c, NULL, 0, &p, &e), -ENODEV);
	d.sector_bytes = 520;
	assert_int_equal(plan_make(&c, &d, 1, &p, &e), -ENOTSUP);
	d.sector_bytes = 512;
	c.firmware = VM_FIRMWARE_BIOS;
	assert_int_equal(plan_make(&c, &d, 1, &p, &e), -ENOTSUP);
}

static int random_fixed(void *buf, size_t len, struct err *e)
{
	(void)e;
	memset(buf, 0xab, len);
	return 0;
}

static void test_names(void **state)
{
	struct config c = config_of(400 * MIB, 0);
	struct err e = ERR_INIT;
	struct plan p;

	(void)state;
	struct disk nvme = disk("nvme0n1", 8 * GIB);
	assert_int_equal(plan_make(&c, &nvme, 1, &p, &e), 0);
	assert_string_equal(p.part[1].path, "/dev/nvme0n1p2");
	struct disk vda = disk("vda", 8 * GIB);
	assert_int_equal(plan_make(&c, &vda, 1, &p, &e), 0);
	assert_string_equal(p.part[0].path, "/dev/vda1");
	assert_int_equal(plan_assign_uuids(&p, random_fixed, &e), 0);
	assert_string_equal(p.part[0].fs_uuid, "ABAB-ABAB");
	assert_string_equal(p.part[1].fs_uuid, "abababab-abab-4bab-abab-abababababab");
}

static void test_progress(void **state)
{
	struct progress p;
	char text[120];

	(void)state;
	progress_init(&p, 100 * MIB, 0);
	assert_int_equal(progress_rate(&p), 0);
	assert_int_equal(progress_eta_s(&p), 0);
	for (int s = 1; s <= 40; s++)
		for (int n = 0; n < 5; n++)
			progress_add(&p, (uint64_t)(s * 5 + n) * MIB / 5, s * 1000 + n * 200);
	assert_true(progress_rate(&p) > MIB * 9 / 10 && progress_rate(&p) < MIB * 11 / 10);
	assert_true(progress_eta_s(&p) >= 55 && progress_eta_s(&p) <= 65);
	progress_text(&p, "rootfs", text, sizeof(text));
	assert_non_null(strstr(text, "rootfs  40%  40.8 MiB of 100.0 MiB, "));
	progress_add(&p, 100 * MIB, 60000);
	assert_int_equal(progress_eta_s(&p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_layout),
	    cmocka_unit_test(test_too_small),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
