/* What the rows of the table promise each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/base/words.h"
#include "lib/definition/storage.h"
#include "lib/machine/file_system.h"

static void rows(void **state)
{
	(void)state;
	for (int i = 0; i < STORAGE_FS_COUNT; i++) {
		const struct file_system *fs = &file_systems[i];
		assert_int_equal(word_index(fs_word, fs->name), i);
		assert_true(fs->min_bytes >= FS_MIB && fs->min_bytes % FS_MIB == 0);
		assert_in_range(fs->label_max, 8, STORAGE_LABEL_SIZE - 1);
		assert_true(fs->magic[0].len > 0);
		for (int k = 0; k < FS_MAGICS; k++)
			assert_int_equal(
			    fs->magic[k].len, strlen(fs->magic[k].bytes ? fs->magic[k].bytes : ""));
	}
}

static void words(void **state)
{
	char list[100];

	(void)state;
	assert_string_equal(
	    word_list(fs_root_word, "\"", list, sizeof(list)), "\"ext4\", \"xfs\" or \"btrfs\"");
	assert_string_equal(word_list(fs_root_word, "", list, 8), "ext4, x");
	assert_string_equal("[" FILE_SYSTEMS(FS_IN_JSON, FS_JSON_COMMA) "]",
	    "[\"ext4\",\"xfs\",\"btrfs\",\"vfat\",\"swap\"]");
	assert_int_equal(word_index(fs_word, "ext3"), -1);
	assert_null(fs_root_word(STORAGE_FS_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows),
	    cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
