/* The words of "loader" are those of the table that the server gives out by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/definition/loader_choice.h"
#include "lib/definition/test_vm_from.h"

static bool in_table(const char *table, const char *word)
{
	char line[40];

	snprintf(line, sizeof(line), "\nloader %s ", word);
	return strstr(table, line) != NULL;
}

static void words_are_those_of_the_table(void **state)
{
	struct err e = ERR_INIT;
	char *table = NULL, word[40];
	const char *known;
	size_t len, rows = 0;

	(void)state;
	if (file_read("docker/loaders/loaders.table", 65536, &table, &len, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; (known = loader_word(i)); i++)
		if (!in_table(table, known))
			fail_msg("%s is no row of the table", known);
	for (const char *row = table; (row = strstr(row, "\nloader ")); rows++) {
		bool found = false;
		row += strlen("\nloader ");
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(row, " "), row);
		for (size_t i = 0; (known = loader_word(i)); i++)
			found = found || strcmp(known, word) == 0;
		if (!found)
			fail_msg("a definition cannot say %s", word);
	}
	assert_true(rows > 4);
	free(table);
}

static void a_word_or_a_file(void **state)
{
	static const char *const good[] = {"ipxe", "snponly", "undionly", "lpxelinux", "shim",
	    "my.efi", "a.b-c_D.0"},
				 *const bad[] = {"grub", "../x.efi", "a/b.efi", ".efi",
				     "x.efi,ipxe", "IPXE", "a b.efi"};
	char json[200];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(json, sizeof(json),
		    "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"loader\":\"%s\"}", good[i]);
		struct vm *vm = vm_from(json);
		assert_string_equal(vm->loader, good[i]);
		assert_int_equal(loader_is_own(vm->loader), i >= 5);
		vm_free(vm);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct vm_where where;
		struct err e = ERR_INIT;
		struct vm *vm = NULL;
		snprintf(json, sizeof(json),
		    "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"loader\":\"%s\"}", bad[i]);
		if (vm_parse(json, strlen(json), NULL, &vm, &where, NULL, NULL, &e) >= 0)
			fail_msg("%s is taken", bad[i]);
		if (!strstr(e.msg, "images/_loaders/"))
			fail_msg("%s: %s", bad[i], e.msg);
	}
}

#define SECURE "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"secure_boot\":true"

static void secure_boot(void **state)
{
	static const struct {
		const char *more, *loader, *refused;
	} rows[] = {
	    {"", "shim", NULL},
	    {",\"loader\":\"shim\"", "shim", NULL},
	    {",\"loader\":\"my.efi\"", "my.efi", NULL},
	    {",\"loader\":\"ipxe\"", NULL, "is not signed"},
	    {",\"loader\":\"snponly\"", NULL, "is not signed"},
	    {",\"firmware\":\"bios\"", NULL, "only with \"firmware\": \"uefi\""},
	    {",\"arch\":\"arm64\"", NULL, "only with \"arch\": \"amd64\""},
	    {",\"secure_boot\":false", NULL, NULL},
	};
	char json[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct vm_where where;
		struct err e = ERR_INIT;
		struct vm *vm = NULL;
		bool off = strstr(rows[i].more, "false") != NULL;

		snprintf(json, sizeof(json), "%s%s}",
		    off ? "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\"" : SECURE, rows[i].more);
		int r = vm_parse(json, strlen(json), NULL, &vm, &where, NULL, NULL, &e);
		if ((r < 0) != (rows[i].refused != NULL) ||
		    (r < 0 && !strstr(e.msg, rows[i].refused)))
			fail_msg("%s: %s", json, r < 0 ? e.msg : "is taken");
		if (r < 0)
			continue;
		if (rows[i].loader)
			assert_string_equal(loader_of(vm), rows[i].loader);
		else
			assert_null(loader_of(vm));
		vm_free(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_those_of_the_table),
	    cmocka_unit_test(a_word_or_a_file),
	    cmocka_unit_test(secure_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
