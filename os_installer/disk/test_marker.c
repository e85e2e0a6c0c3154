/* test_marker.c - the sector that says that a disk is installed, and where there is room for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os_installer/disk/marker.h"

#define MIB (1U << 20)
#define MAC "52:54:00:00:00:11"

static void comes_back_as_it_was(void **state)
{
	uint8_t sector[MARKER_BYTES];
	struct marker m, read;
	char longest[64];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[63] = '\0';
	assert_true(marker_make(&m, longest, MAC, "debian-13", 4294967295U));
	marker_render(&m, sector);
	assert_true(marker_parse(sector, &read));
	assert_string_equal(read.name, longest);
	assert_string_equal(read.mac, MAC);
	assert_string_equal(read.distro, "debian-13");
	assert_int_equal(read.attempt, 4294967295U);
	/* Any changed byte is a damaged marker. */
	for (size_t i = 0; i < MARKER_BYTES; i++) {
		sector[i] ^= 1;
		assert_false(marker_parse(sector, &read));
		sector[i] ^= 1;
	}
	memset(sector, 0, sizeof(sector));
	assert_false(marker_parse(sector, &read));
	assert_false(marker_make(&m, NULL, NULL, "debian-13", 1));
}

static void speaks_of_one_machine(void **state)
{
	struct marker m;

	(void)state;
	assert_true(marker_make(&m, "web1", MAC, NULL, 1));
	assert_true(marker_is_of(&m, "web1", MAC));
	assert_true(marker_is_of(&m, "renamed", MAC));
	assert_true(marker_is_of(&m, NULL, "52:54:00:00:00:11"));
	assert_true(marker_is_of(&m, "web1", "52:54:00:00:00:99"));
	assert_false(marker_is_of(&m, "web2", "52:54:00:00:00:99"));
	assert_false(marker_is_of(&m, NULL, NULL));
	assert_true(marker_make(&m, NULL, MAC, NULL, 1));
	assert_false(marker_is_of(&m, "", NULL));
}

static void put64(uint8_t *p, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(n >> (8 * i));
}

/* A table as in UEFI 2.10, 5.3, with one partition that begins in sector `first`. */
static void gpt_make(uint8_t *start, uint64_t first)
{
	memset(start, 0, MIB);
	start[510] = 0x55;
	start[511] = 0xaa;
	memcpy(start + 512, "EFI PART", 8);
	put64(start + 512 + 72, 2);
	put64(start + 512 + 80, 128 | (uint64_t)128 << 32);
	put64(start + 1024 + 128 + 32, first);
}

static void leaves_alone_what_is_there(void **state)
{
	uint8_t *start = calloc(1, MIB);

	(void)state;
	assert_false(marker_has_place(start, 512)); /* no table at all */
	gpt_make(start, 2048);
	assert_true(marker_has_place(start, 512));
	start[MARKER_OFFSET + 4095] = 1;
	assert_false(marker_has_place(start, 512));
	gpt_make(start, 2047); /* as images have it that boot by a BIOS: partition 14 */
	assert_false(marker_has_place(start, 512));
	gpt_make(start, 34);
	assert_false(marker_has_place(start, 512));
	gpt_make(start, 2048);
	put64(start + 512 + 72, UINT64_MAX);
	assert_false(marker_has_place(start, 512));
	gpt_make(start, 2048);
	put64(start + 512 + 80, 65536 | (uint64_t)65536 << 32);
	assert_false(marker_has_place(start, 512));

	memset(start, 0, MIB);
	start[510] = 0x55;
	start[511] = 0xaa;
	start[446 + 4] = 0x83;
	put64(start + 446 + 8, 2048);
	assert_true(marker_has_place(start, 512));
	put64(start + 446 + 8, 63);
	assert_false(marker_has_place(start, 512));
	free(start);
}

static void is_found_on_the_right_disk(void **state)
{
	struct disk disks[2] = {{.path = ""}, {.path = "/nonexistent"}};
	uint8_t start[512] = {[510] = 0x55, [511] = 0xaa}, sector[MARKER_BYTES];
	struct marker m, found;

	(void)state;
	strcpy(disks[0].path, "/tmp/test_marker.XXXXXX");
	int fd = mkstemp(disks[0].path);
	assert_true(fd >= 0);
	assert_null(marker_find(disks, 2, "web1", MAC, &found));
	assert_true(marker_make(&m, "web1", MAC, "debian-13", 7));
	marker_render(&m, sector);
	assert_int_equal(pwrite(fd, sector, sizeof(sector), MARKER_OFFSET), sizeof(sector));
	assert_null(marker_find(disks, 2, "web1", MAC, &found)); /* nothing there boots */
	assert_int_equal(pwrite(fd, start, sizeof(start), 0), sizeof(start));
	assert_ptr_equal(marker_find(disks, 2, "web1", MAC, &found), &disks[0]);
	assert_int_equal(found.attempt, 7);
	assert_null(marker_find(disks, 2, "web2", "52:54:00:00:00:12", &found));
	strcpy(disks[0].excluded, "in use");
	assert_null(marker_find(disks, 2, "web1", MAC, &found));
	close(fd);
	unlink(disks[0].path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comes_back_as_it_was),
	    cmocka_unit_test(speaks_of_one_machine),
	    cmocka_unit_test(leaves_alone_what_is_there),
	    cmocka_unit_test(is_found_on_the_right_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
