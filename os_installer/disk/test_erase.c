/* test_erase.c - what is erased of an old disk and what is not, on a file in a disk's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/disk/erase.h"

#define MIB (1ULL << 20)
#define SIZE (80 * MIB)

static int disk(void)
{
	char path[] = "/tmp/test_erase.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	return fd;
}

static void put(int fd, uint64_t at, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), (off_t)at), strlen(text));
}

static bool is_there(int fd, uint64_t at, const char *text)
{
	char buf[32];

	assert_int_equal(pread(fd, buf, strlen(text), (off_t)at), strlen(text));
	return memcmp(buf, text, strlen(text)) == 0;
}

static void both_edges_and_the_copies_between_them(void **state)
{
	static const struct {
		uint64_t at;
		bool stays;
	} marks[] = {{0, true}, {MIB, false}, {9 * MIB - 8, false}, {9 * MIB, true},
	    {30 * MIB, true},
	    /* btrfs' second superblock counts from the partition's beginning. */
	    {65 * MIB, false}, {65 * MIB + 4096, true}, {71 * MIB - 8, true}, {71 * MIB, false},
	    {79 * MIB - 8, false}, {79 * MIB, true}};
	int fd = disk();
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		put(fd, marks[i].at, "old data");
	assert_int_equal(disk_erase_edges(fd, "disk", MIB, 78 * MIB, &e), 0);
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (is_there(fd, marks[i].at, "old data") != marks[i].stays)
			fail_msg("byte %llu %s", (unsigned long long)marks[i].at,
			    marks[i].stays ? "is erased" : "is still there");
	/* All of what is smaller than both edges. */
	put(fd, 30 * MIB, "old data");
	assert_int_equal(disk_erase_edges(fd, "disk", 25 * MIB, 10 * MIB, &e), 0);
	assert_false(is_there(fd, 30 * MIB, "old data"));
	close(fd);
}

static void every_signature_that_is_known(void **state)
{
	int fd = disk();
	struct err e;

	(void)state;
	put(fd, 4096 - 10, "SWAPSPACE2");
	put(fd, 1024, "\x01"); /* of swap space: its version */
	put(fd, 1024 + 4, "\x10");
	put(fd, 0, "XFSB");
	put(fd, 40 * MIB, "old data");
	assert_int_equal(disk_erase_signatures(fd, "disk", &e), 0);
	assert_false(is_there(fd, 4096 - 10, "SWAPSPACE2"));
	assert_true(is_there(fd, 40 * MIB, "old data"));
	close(fd);
}

static void what_cannot_be_written_is_told(void **state)
{
	int fd = open("/dev/full", O_RDWR);
	struct err e;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(disk_erase_edges(fd, "/dev/full", 0, MIB, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "cannot write to /dev/full at byte 0: "));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_edges_and_the_copies_between_them),
	    cmocka_unit_test(every_signature_that_is_known),
	    cmocka_unit_test(what_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
