/* What several readers ask of a manifest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/words.h"
#include "lib/image/manifest.h"

static void formats(void **state)
{
	int disks = 0;

	(void)state;
	for (size_t i = 0; image_format_word(i); i++)
		disks += image_format_is_disk(image_format_word(i));
	assert_int_equal(disks, 3);
	assert_true(word_index(image_format_word, "tar.zst") >= 0);
	assert_int_equal(word_index(image_format_word, "raw"), -1);
	assert_false(image_format_is_disk("tar.zst"));
	assert_false(image_format_is_disk(NULL));
}

static void provides(void **state)
{
	json_t *manifest = json_pack("{s:[s,i,s]}", "provides", "sshd", 7, "cloud-init");
	json_t *other = json_pack("{s:s}", "provides", "sshd");

	(void)state;
	assert_true(image_provides(manifest, "sshd") && image_provides(manifest, "cloud-init"));
	assert_false(image_provides(manifest, "cloud"));
	assert_false(image_provides(other, "sshd"));
	assert_false(image_provides(NULL, "sshd"));
	json_decref(manifest);
	json_decref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(formats),
	    cmocka_unit_test(provides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
