/* test_image_table.c - partition tables of disk images: made and judged by libfdisk. Writing a disk
 * is tried by tests/installer/test_disk_image.py, which needs a block device.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <libfdisk/libfdisk.h>
#include <stdio.h>
#include <unistd.h>

#include "os_installer/disk/image_table.h"

#define MIB (1ULL << 20)
#define IMAGE_BYTES (64 * MIB)
#define ROOT_AT (5 * MIB)
#define ROOT_BYTES (12500 * 4096ULL)

static uint8_t head[TABLE_EDGE_BYTES], tail[TABLE_EDGE_BYTES];
static const uint32_t sectors_of[] = {512, 4096};

static int file_new(char path[64], uint64_t bytes)
{
	strcpy(path, "/tmp/test_disk_image.XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

/* For a file, which says nothing of its sectors. */
static struct fdisk_context *context_new(uint32_t sector)
{
	struct fdisk_context *ctx = fdisk_new_context();

	assert_non_null(ctx);
	assert_int_equal(fdisk_save_user_sector_size(ctx, sector, sector), 0);
	return ctx;
}

/* Partition 1 behind partition 3, as cloud images have it: root first, EFI partition at the front.
 */
static void image_make(const char *label, uint32_t sector)
{
	const struct {
		size_t number;
		uint64_t start, sectors;
		const char *type;
	} parts[] = {
	    {2, MIB / sector, 4 * MIB / sector, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"},
	    {0, ROOT_AT / sector, ROOT_BYTES / sector, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"},
	};
	bool gpt = strcmp(label, "gpt") == 0;
	char path[64];
	int fd = file_new(path, IMAGE_BYTES);
	struct fdisk_context *ctx = context_new(sector);

	assert_int_equal(fdisk_assign_device_by_fd(ctx, fd, path, 0), 0);
	fdisk_disable_dialogs(ctx, 1);
	assert_int_equal(fdisk_create_disklabel(ctx, label), 0);
	for (size_t i = 0; i < 2; i++) {
		struct fdisk_partition *pa = fdisk_new_partition();
		struct fdisk_parttype *type =
		    gpt ? fdisk_label_get_parttype_from_string(
			      fdisk_get_label(ctx, NULL), parts[i].type)
			: fdisk_label_get_parttype_from_code(
			      fdisk_get_label(ctx, NULL), i == 0 ? 0xef : 0x83);
		fdisk_partition_set_partno(pa, parts[i].number);
		fdisk_partition_set_start(pa, parts[i].start);
		fdisk_partition_set_size(pa, parts[i].sectors);
		fdisk_partition_set_type(pa, type);
		assert_int_equal(fdisk_add_partition(ctx, pa, NULL), 0);
		fdisk_unref_parttype(type);
		fdisk_unref_partition(pa);
	}
	assert_int_equal(fdisk_write_disklabel(ctx), 0);
	fdisk_deassign_device(ctx, 1);
	fdisk_unref_context(ctx);
	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	unlink(path);
	memset(tail, 0, sizeof(tail));
}

/* What libfdisk says of a disk with these edges: the last sector of the partition that ends last.
 */
static uint64_t disk_judge(uint64_t disk_bytes, uint32_t sector, bool primary, int *problems)
{
	static const uint8_t zeros[512];
	char path[64];
	int fd = file_new(path, disk_bytes);
	struct fdisk_context *ctx = context_new(sector);
	struct fdisk_table *table = NULL;
	uint64_t end = 0;

	assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
	if (!primary) /* only the backup is left */
		assert_int_equal(pwrite(fd, zeros, 512, sector), 512);
	assert_int_equal(
	    pwrite(fd, tail, sizeof(tail), (off_t)(disk_bytes - sizeof(tail))), sizeof(tail));
	assert_int_equal(fdisk_assign_device_by_fd(ctx, fd, path, 1), 0);
	fdisk_disable_dialogs(ctx, 1);
	assert_true(fdisk_has_label(ctx));
	*problems = primary ? fdisk_verify_disklabel(ctx) : 0;
	assert_int_equal(fdisk_get_partitions(ctx, &table), 0);
	assert_int_equal(fdisk_table_get_nents(table), 2);
	for (size_t i = 0; i < 2; i++) {
		uint64_t e = fdisk_partition_get_end(fdisk_table_get_partition(table, i));
		end = e > end ? e : end;
	}
	fdisk_unref_table(table);
	fdisk_deassign_device(ctx, 1);
	fdisk_unref_context(ctx);
	close(fd);
	unlink(path);
	return end;
}

static void try_gpt(uint64_t disk_bytes, uint32_t sector)
{
	struct err e = ERR_INIT;
	struct table t;
	int problems;

	image_make("gpt", sector);
	assert_int_equal(table_sector_bytes(head), sector);
	assert_int_equal(table_read(head, IMAGE_BYTES, sector, &t, &e), 0);
	assert_true(t.gpt && t.can_grow);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.part[t.last].number, 1);
	assert_int_equal(t.part[t.last].start_lba, ROOT_AT / sector);
	assert_true(t.part[1 - t.last].esp && !t.part[t.last].esp);
	assert_int_equal(strlen(t.part[0].uuid), 36);
	assert_int_equal(t.old_tail_lba + t.old_tail_sectors, IMAGE_BYTES / sector);
	assert_int_equal(table_grow(head, tail, disk_bytes, &t, &e), 0);
	uint64_t end = t.part[t.last].start_lba + t.part[t.last].sectors;
	assert_int_equal(disk_judge(disk_bytes, sector, true, &problems) + 1, end);
	assert_int_equal(problems, 0);
	assert_int_equal(disk_judge(disk_bytes, sector, false, &problems) + 1, end);
	assert_true(disk_bytes - end * sector < 2 * MIB + 34 * 512 || disk_bytes < 66 * MIB);
	/* What was grown can be read and grown again. */
	assert_int_equal(table_read(head, disk_bytes, sector, &t, &e), 0);
}

static void test_gpt(void **state)
{
	static const uint64_t sizes[] = {IMAGE_BYTES, IMAGE_BYTES + 4096, IMAGE_BYTES + MIB,
	    200 * MIB, 200 * MIB + 4096 * 7, 3000ULL * MIB, 3ULL << 40};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t k = 0; k < 2; k++)
			try_gpt(sizes[i], sectors_of[k]);
	try_gpt(IMAGE_BYTES + 512, 512);
	try_gpt(200 * MIB + 512 * 7, 512);
}

static void try_mbr(uint32_t sector)
{
	struct err e = ERR_INIT;
	struct table t;
	int problems;

	image_make("dos", sector);
	assert_int_equal(table_sector_bytes(head), 0);
	assert_int_equal(table_read(head, IMAGE_BYTES, sector, &t, &e), 0);
	assert_true(!t.gpt && t.can_grow && t.old_tail_lba == 0);
	assert_int_equal(t.part[t.last].number, 1);
	assert_int_equal(table_grow(head, tail, 200 * MIB, &t, &e), 0);
	assert_int_equal(disk_judge(200 * MIB, sector, true, &problems) + 1, 200 * MIB / sector);
	assert_int_equal(problems, 0);
	assert_int_equal(t.part[t.last].sectors, (200 * MIB - ROOT_AT) / sector);
	/* Beyond what the format can say. */
	assert_int_equal(table_grow(head, tail, 3ULL << 50, &t, &e), 0);
	assert_true(t.part[t.last].start_lba + t.part[t.last].sectors <= UINT32_MAX);
	head[446 + 4] = 0x05;
	assert_int_equal(table_read(head, 4ULL << 50, sector, &t, &e), 0);
	assert_false(t.can_grow);
}

static void test_mbr(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++)
		try_mbr(sectors_of[k]);
}

/* What is made for other sectors than the disk's is known, where that can be. */
static void test_other_sectors(void **state)
{
	struct err e = ERR_INIT;
	struct table t;

	(void)state;
	image_make("gpt", 512);
	/* By its protective MBR it is one partition of what nobody knows. */
	assert_int_equal(table_read(head, IMAGE_BYTES, 4096, &t, &e), -EINVAL);
	assert_int_equal(table_read(head, IMAGE_BYTES, 777, &t, &e), -EINVAL);
	assert_int_equal(table_fits(table_sector_bytes(head), "/dev/a", 4096, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "sectors of 512 bytes, and /dev/a has sectors of 4096"));
	image_make("gpt", 4096);
	assert_int_equal(table_fits(table_sector_bytes(head), "/dev/a", 512, &e), -ENOTSUP);
	assert_int_equal(table_fits(table_sector_bytes(head), "/dev/a", 4096, &e), 0);
}

/* No bit of header and entries can change without being noticed; nothing that is read crashes. */
static void test_damage(void **state)
{
	struct err e = ERR_INIT;
	struct table t;
	uint32_t random = 7;

	(void)state;
	image_make("gpt", 512);
	uint8_t *good = malloc(sizeof(head));
	memcpy(good, head, sizeof(head));
	for (unsigned bit = 0; bit < 92 * 8; bit++) {
		head[512 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (table_read(head, IMAGE_BYTES, 512, &t, &e) == 0)
			assert_false(t.gpt); /* the signature itself: a protective MBR is left */
		head[512 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned byte = 0; byte < 128 * 128; byte += 11) {
		head[1024 + byte] ^= 0x10;
		assert_int_equal(table_read(head, IMAGE_BYTES, 512, &t, &e), -EINVAL);
		head[1024 + byte] ^= 0x10;
	}
	assert_int_equal(table_read(head, IMAGE_BYTES / 4, 512, &t, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "outside"));
	for (int n = 0; n < 20000; n++) {
		memcpy(head, good, 2048);
		for (int k = 0; k < 4; k++) {
			random = random * 1103515245 + 12345;
			head[(random >> 8) % 1536] = (uint8_t)(random >> 24);
		}
		if (n % 2)
			memset(head + 512, 0, 8); /* the MBR alone */
		if (table_read(head, IMAGE_BYTES, 512, &t, &e) == 0 &&
		    table_grow(head, tail, 200 * MIB, &t, &e) < 0)
			assert_int_equal(e.code, ENOSPC);
	}
	memset(head, 0, sizeof(head));
	assert_int_equal(table_read(head, IMAGE_BYTES, 512, &t, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "no partition table"));
	free(good);
}

/* On a larger disk a GPT's copy moves and its partitions stay; on one of its own size no bit does.
 */
static void test_settle(void **state)
{
	static uint8_t before[TABLE_EDGE_BYTES];
	struct err e = ERR_INIT;
	struct table t;
	int problems;

	(void)state;
	image_make("gpt", 512);
	assert_int_equal(table_read(head, IMAGE_BYTES, 512, &t, &e), 0);
	uint64_t sectors = t.part[t.last].sectors;
	memcpy(before, head, sizeof(before));
	assert_int_equal(table_settle(head, tail, IMAGE_BYTES, &t, &e), 0);
	assert_memory_equal(before, head, sizeof(before));
	assert_int_equal(table_settle(head, tail, 200 * MIB, &t, &e), 0);
	(void)disk_judge(200 * MIB, 512, true, &problems);
	assert_int_equal(problems, 0);
	assert_int_equal(table_read(head, 200 * MIB, 512, &t, &e), 0);
	assert_int_equal(t.part[t.last].sectors, sectors);
	image_make("dos", 512);
	memcpy(before, head, sizeof(before));
	assert_int_equal(table_read(head, IMAGE_BYTES, 512, &t, &e), 0);
	assert_int_equal(table_settle(head, tail, 200 * MIB, &t, &e), 0);
	assert_memory_equal(before, head, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gpt),
	    cmocka_unit_test(test_mbr),
	    cmocka_unit_test(test_other_sectors),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_settle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
