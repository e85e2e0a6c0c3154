/* test_digest.c - SHA-256. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/fetch/digest.h"
#include "lib/base/bytes.h"

static void test_digest(void **state)
{
	static const char abc[] =
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct digest_state s;
	struct digest d, known;

	(void)state;
	digest_init(&s);
	digest_update(&s, "a", 1);
	digest_update(&s, "bc", 2);
	digest_final(&s, &d);
	assert_true(hex_decode(abc, known.byte, DIGEST_BYTES));
	assert_true(digest_equal(&d, &known));
	known.byte[DIGEST_BYTES - 1] ^= 1;
	assert_false(digest_equal(&d, &known));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
