#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/definition/menu_choice.h"

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890abcd"

static void words(void **state)
{
	static const struct {
		const char *word, *name;
		bool unattended, valid;
	} rows[] = {
	    {"local", "local", false, true},
	    {"debian-installer-13", "debian-installer-13", false, true},
	    {"debian-installer-13:unattended", "debian-installer-13", true, true},
	    {"memtest86+", "memtest86+", false, true},
	    {"a+unattended", "a+unattended", false, true},
	    {LONGEST, LONGEST, false, true},
	    {LONGEST ":unattended", LONGEST, true, true},
	    {LONGEST "e", "", false, false},
	    {LONGEST "e:unattended", "", true, false},
	    {"", "", false, false},
	    {":unattended", "", true, false},
	    {"a:", "a:", false, false},
	    {"a:unattende", "a:unattende", false, false},
	    {"a:unattended:unattended", "a:unattended:unattended", false, false},
	    {"+a", "+a", false, false},
	    {"A", "A", false, false},
	    {"a b", "a b", false, false},
	};
	char name[MENU_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (menu_choice_split(rows[i].word, name) != rows[i].unattended ||
		    strcmp(name, rows[i].name) != 0 ||
		    menu_choice_valid(rows[i].word) != rows[i].valid)
			fail_msg("%s: %s", rows[i].word, name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
