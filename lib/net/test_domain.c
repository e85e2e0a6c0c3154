#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/net/domain.h"

static void domains_are_checked(void **state)
{
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a\nb",
	    "a_b", "1", "10", "lab.7", "0.0.1", "10.0.0.0/8", "a.b-", "Lab.example"};
	static const char *const good[] = {"pvmlab.local", "lan", "7.lab", "10.in-addr.arpa", "a7"};
	char text[DOMAIN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!domain_valid(good[i]))
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (domain_valid(bad[i]))
			fail_msg("%s is taken", bad[i]);
	for (size_t i = 0; i < DOMAIN_MAX; i++)
		text[i] = i % 60 == 59 ? '.' : 'a';
	text[DOMAIN_MAX - 1] = 'b';
	text[DOMAIN_MAX] = '\0';
	assert_true(domain_valid(text));
	strcpy(text + DOMAIN_MAX, "c");
	assert_false(domain_valid(text));
	memset(text, 'a', 64);
	text[64] = '\0';
	assert_false(domain_valid(text));
	assert_true(domain_valid(text + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(domains_are_checked)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
