/* test_digest.c - SHA-256, and its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/fetch/digest.h"

static void test_digest(void **state)
{
	static const char abc[] =
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct digest_state s;
	struct digest d, parsed;
	char text[DIGEST_TEXT_SIZE];

	(void)state;
	digest_init(&s);
	digest_update(&s, "a", 1);
	digest_update(&s, "bc", 2);
	digest_final(&s, &d);
	assert_string_equal(digest_format(&d, text), abc);
	assert_true(digest_parse(abc, &parsed));
	assert_true(digest_equal(&d, &parsed));
	assert_false(digest_parse("ba78", &parsed));
	assert_false(digest_parse(
	    "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &parsed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
