/* test_cpio.c - the archive of modules, byte by byte as the kernel's init/initramfs.c reads it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_folder.h"
#include "vmlab/image/cpio.h"

#define HEADER_BYTES 110

static const struct {
	const char *path, *data;
} files[] = {
    {"lib/modules/6.1/a.ko", "x"},
    {"lib/modules/6.1/kernel/bc.ko", ""},
    {"lib/modules/6.1/kernel/bcd.ko", "four"},
    {"lib/modules/6.1/modules.dep", "kernel/bc.ko:\n"},
};

static const char *const names[] = {"lib", "lib/modules", "lib/modules/6.1", "lib/modules/6.1/a.ko",
    "lib/modules/6.1/kernel", "lib/modules/6.1/kernel/bc.ko", "lib/modules/6.1/kernel/bcd.ko",
    "lib/modules/6.1/modules.dep", "TRAILER!!!"};
#define NAMES (sizeof(names) / sizeof(*names))

static int folder;

static size_t written(const char *name, char *bytes, size_t size)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	struct image_cpio cpio = {0};
	struct image_contents contents = {0};
	struct err e = ERR_INIT;

	assert_int_equal(image_file_create(folder, name, 0, 1, &file, &e), 0);
	assert_int_equal(image_cpio_open(&cpio, file, &e), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		assert_int_equal(
		    image_cpio_add(&cpio, files[i].path, files[i].data, strlen(files[i].data), &e),
		    0);
	assert_int_equal(image_cpio_end(&cpio, &e), 0);
	image_cpio_clear(&cpio);
	assert_int_equal(image_file_finish(file, &contents, &e), 0);
	image_contents_clear(&contents);
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, size);
	assert_true(n > 0 && (size_t)n < size);
	close(fd);
	unlinkat(folder, name, 0);
	return (size_t)n;
}

static unsigned number(const char *header, int i)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + i * 8, 8);
	return (unsigned)strtoul(digits, NULL, 16);
}

static void as_the_kernel_reads_it(void **state)
{
	enum { INODE, MODE, UID, GID, LINKS, TIME, SIZE, MAJOR, MINOR, RMAJOR, RMINOR, NAME, SUM };
	static const int zero[] = {UID, GID, TIME, MAJOR, MINOR, RMAJOR, RMINOR, SUM};
	char bytes[8192];
	size_t len = written("one", bytes, sizeof(bytes)), pos = 0, file = 0;

	(void)state;
	for (size_t i = 0; i < NAMES; i++) {
		const char *header = bytes + pos, *name = header + HEADER_BYTES;
		unsigned name_size = number(header, NAME), size = number(header, SIZE);
		bool is_file = (number(header, MODE) & 0170000) == 0100000;
		assert_true(pos % 4 == 0 && pos + HEADER_BYTES + name_size <= len);
		assert_memory_equal(header, "070701", 6);
		assert_int_equal(name_size, strlen(names[i]) + 1);
		assert_string_equal(name, names[i]);
		/* With a link more the kernel would look for the others by inode. */
		assert_int_equal(number(header, LINKS), 1);
		for (size_t j = 0; j < sizeof(zero) / sizeof(*zero); j++)
			assert_int_equal(number(header, zero[j]), 0);
		pos += (HEADER_BYTES + name_size + 3) / 4 * 4;
		if (is_file) {
			assert_int_equal(number(header, MODE), 0100644);
			assert_string_equal(name, files[file].path);
			assert_int_equal(size, strlen(files[file].data));
			assert_memory_equal(bytes + pos, files[file].data, size);
			file++;
		} else {
			assert_int_equal(number(header, MODE), i + 1 < NAMES ? 040755 : 0);
			assert_int_equal(size, 0);
		}
		assert_int_equal(number(header, INODE), i + 1 < NAMES ? i + 1 : 0);
		pos += (size + 3) / 4 * 4;
	}
	assert_int_equal(file, sizeof(files) / sizeof(*files));
	/* Aligned, so that another archive can follow. */
	assert_int_equal(pos, len);
}

static void the_same_input_gives_the_same_bytes(void **state)
{
	char one[8192], two[8192];
	size_t len = written("one", one, sizeof(one));

	(void)state;
	assert_int_equal(written("two", two, sizeof(two)), len);
	assert_memory_equal(one, two, len);
}

static void cpio_lists_it(void **state)
{
	char bytes[8192], line[100];
	size_t i = 0;

	(void)state;
	if (system("command -v cpio >/dev/null") != 0)
		skip();
	size_t len = written("one", bytes, sizeof(bytes));
	FILE *f = fopen("listed.cpio", "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	FILE *list = popen("cpio -t --quiet <listed.cpio", "r");
	assert_non_null(list);
	for (; fgets(line, sizeof(line), list); i++) {
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(line, names[i]);
	}
	assert_int_equal(pclose(list), 0);
	assert_int_equal(i, NAMES - 1);
	unlink("listed.cpio");
}

static int setup(void **state)
{
	if (make_folder(state) < 0 || chdir(test_folder) < 0)
		return -1;
	folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_the_kernel_reads_it),
	    cmocka_unit_test(the_same_input_gives_the_same_bytes),
	    cmocka_unit_test(cpio_lists_it),
	};

	return cmocka_run_group_tests(tests, setup, remove_folder);
}
