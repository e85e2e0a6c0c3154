/* test_disk_look.c - what is said of whole disks that hold nothing that could start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/image/disk_look.h"

#define MIB (1U << 20)
#define DISK_BYTES (4 * MIB)

struct content {
	uint8_t mbr_type; /* of two partitions at 1 and 2 MiB; 0: a GPT with the same */
	unsigned partitions;
	const char *first, *second; /* what lies there: "ext4", "vfat", NULL */
	bool boot_code;
	uint32_t sector;
};

static void put_le32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void format(uint8_t *p, const char *fs)
{
	if (fs && strcmp(fs, "ext4") == 0)
		memcpy(p + 1080, "\x53\xef", 2);
	else if (fs && strcmp(fs, "vfat") == 0)
		memcpy(p + 82, "FAT32   ", 8);
	else if (fs && strcmp(fs, "btrfs") == 0)
		memcpy(p + 65600, "_BHRfS_M", 8);
	else if (fs)
		memcpy(p + 4086, "SWAPSPACE2", 10);
}

static uint8_t *disk_make(const struct content *c)
{
	uint8_t *disk = calloc(1, DISK_BYTES);
	uint32_t sector = c->sector;

	assert_non_null(disk);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	disk[0] = c->boot_code ? 0xeb : 0;
	for (unsigned i = 0; i < c->partitions; i++) {
		uint8_t *mbr = disk + 446 + 16UL * i, *gpt = disk + 2UL * sector + 128UL * i;
		if (c->mbr_type) {
			mbr[4] = c->mbr_type;
			put_le32(mbr + 8, (i + 1) * 2048);
		} else {
			gpt[0] = 0x28;
			put_le32(gpt + 32, (uint32_t)((i + 1) * MIB / sector));
		}
	}
	if (!c->mbr_type) {
		disk[446 + 4] = 0xee;
		memcpy(disk + sector, "EFI PART", 8);
		put_le32(disk + sector + 72, 2);
		put_le32(disk + sector + 80, 128);
		put_le32(disk + sector + 84, 128);
	}
	format(disk + MIB, c->first);
	format(disk + 2 * MIB, c->second);
	return disk;
}

static void complaints(void **state)
{
	static const struct {
		struct content content;
		bool bios;
		const char *said; /* NULL: nothing */
	} cases[] = {
	    {{0, 1, NULL, NULL, false, 512}, true, "1 partition without a file system"},
	    {{0, 1, NULL, NULL, true, 512}, true, "1 partition without a file system"},
	    {{0x83, 1, NULL, NULL, true, 512}, true, "1 partition without a file system"},
	    {{0x83, 2, "swap", NULL, true, 512}, true, "2 partitions without a file system"},
	    {{0, 0, NULL, NULL, true, 512}, true, "no partition"},
	    {{0, 1, "ext4", NULL, false, 512}, true, "neither an EFI partition nor boot code"},
	    {{0, 1, "ext4", NULL, true, 512}, false, "no EFI partition"},
	    {{0x83, 1, "btrfs", NULL, false, 512}, true, "neither an EFI partition nor boot code"},
	    {{0x83, 1, "ext4", NULL, true, 512}, true, NULL},
	    {{0, 2, "vfat", "ext4", false, 512}, true, NULL},
	    {{0, 2, "btrfs", "vfat", false, 512}, false, NULL},
	    {{0, 2, "btrfs", "vfat", false, 4096}, false, NULL},
	    {{0, 1, "ext4", NULL, true, 4096}, false, "no EFI partition"},
	    {{0x05, 1, NULL, NULL, false, 512}, true,
		NULL}, /* what is in an extended one is not known */
	};
	/* However the bytes come: all at once, in large pieces, in some that cut everything. */
	static const size_t pieces[] = {DISK_BYTES, 64 << 10, 1021};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t k = 0; k < sizeof(pieces) / sizeof(*pieces); k++) {
			struct disk_look *l = calloc(1, sizeof(*l));
			uint8_t *disk = disk_make(&cases[i].content);
			char text[300] = "";
			assert_non_null(l);
			for (size_t at = 0; at < DISK_BYTES; at += pieces[k])
				disk_look_feed(l, disk + at,
				    at + pieces[k] < DISK_BYTES ? pieces[k] : DISK_BYTES - at);
			assert_int_equal(l->seen_bytes, DISK_BYTES);
			assert_int_equal(l->sector_bytes, cases[i].content.sector);
			bool any = disk_look_complaint(l, cases[i].bios, text, sizeof(text));
			if (any != (cases[i].said != NULL) || (any && !strstr(text, cases[i].said)))
				fail_msg("case %zu, pieces of %zu: \"%s\"", i, pieces[k], text);
			free(disk);
			free(l);
		}
}

static void file_systems(void **state)
{
	static const char *const names[] = {"ext4", "vfat", "btrfs", "swap"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct content c = {0, 2, NULL, names[i], false, 512};
		struct disk_look *l = calloc(1, sizeof(*l));
		uint8_t *disk = disk_make(&c);
		assert_non_null(l);
		disk_look_feed(l, disk, DISK_BYTES);
		assert_null(disk_look_fs(l, 0));
		assert_string_equal(disk_look_fs(l, 1), names[i]);
		assert_null(disk_look_fs(l, 2));
		free(disk);
		free(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(complaints),
	    cmocka_unit_test(file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
