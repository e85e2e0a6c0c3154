#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/base/text.h"

static void cleans(void **state)
{
	static const struct {
		const char *from;
		const char *keep;
		const char *to;
	} rows[] = {
	    {"plain text, 100 % ~", "", "plain text, 100 % ~"},
	    {"Grüße, 日本語, 🚀, é", "", "Grüße, 日本語, 🚀, é"},
	    {"\033[2J\033]0;owned\a", "", "?[2J?]0;owned?"},
	    {"a\nb\tc\rd", "", "a?b?c?d"},
	    {"a\nb\tc\rd", "\n\t", "a\nb\tc?d"},
	    {"\x7f\x08", "", "??"},
	    {"\xc2\x9b"
	     "31m\xc2\x80\xc2\x9f\xc2\xa0",
		"", "?31m??\xc2\xa0"},
	    {"\x9b"
	     "31m",
		"", "?31m"},
	    {"\xe2\x80\xae"
	     "exe.\xe2\x81\xa6"
	     "x\xe2\x80\x8f\xd8\x9c",
		"", "?exe.?x??"},
	    {"\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\xef\xbf\xbe\xef\xbf\xbf", "", "?????"},
	    {"\xc0\x9b\xe0\x82\x9b\xf0\x80\x82\x9b", "", "?????????"}, /* overlong */
	    {"\xed\xa0\x80\xf4\x90\x80\x80\xff", "",
		"????????"}, /* a surrogate, too large, no lead */
	    {"cut \xe2\x80", "", "cut ??"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64], copy[64];

		strcpy(text, rows[i].from);
		text_clean_string(text, rows[i].keep);
		assert_string_equal(text, rows[i].to);
		if (!strpbrk(rows[i].from, "\n\t\r")) {
			text_copy_clean(rows[i].from, copy, sizeof(copy));
			assert_string_equal(copy, rows[i].to);
		}
	}
}

static void copies_whole_characters(void **state)
{
	char out[5];

	(void)state;
	text_copy_clean("abcé", out, sizeof(out));
	assert_string_equal(out, "abc");
	text_copy_clean("a\nb\t", out, sizeof(out));
	assert_string_equal(out, "a b ");
	text_copy_clean("abé", out, sizeof(out));
	assert_string_equal(out, "abé");
	text_copy_clean("\033\033\033\033\033", out, sizeof(out));
	assert_string_equal(out, "????");
}

/* Of whatever bytes, what comes out is stable and holds nothing that is cleaned. */
static void holds_for_any_bytes(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[24], again[24];
		size_t len = sizeof(text), n;

		for (size_t i = 0; i < len; i++)
			text[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
		n = text_clean(text, len, "\n");
		assert_true(n <= len);
		memcpy(again, text, n);
		assert_int_equal(text_clean(again, n, "\n"), n);
		assert_memory_equal(again, text, n);
		for (size_t i = 0; i < n; i++)
			assert_true((unsigned char)text[i] >= 0x20 || text[i] == '\n');
	}
}

static void ascii(void **state)
{
	char text[] = "a\tcaf\xc3\xa9\x7f~ ";

	(void)state;
	assert_int_equal(text_lines(""), 1);
	assert_int_equal(text_lines("a"), 1);
	assert_int_equal(text_lines("a\n\nb"), 3);
	assert_int_equal(text_columns(""), 0);
	assert_int_equal(text_columns("abc ~"), 5);
	assert_int_equal(text_columns("Hürlimann"), 9);
	assert_int_equal(text_columns("日本電気"), 8);
	assert_int_equal(text_columns("e\xcc\x81"), 1);
	assert_int_equal(text_columns("a\xffz"), 3);
	assert_true(text_is_ascii("") && text_is_ascii(" a~"));
	assert_false(text_is_ascii("a\n") || text_is_ascii("\x7f") || text_is_ascii("\xc3\xa9"));
	text_to_ascii(text, strlen(text));
	assert_string_equal(text, "a?caf???~ ");
}

static void expands(void **state)
{
	const char *const values[] = {"one", "two"};
	char out[12];

	(void)state;
	text_expand("%a%b %c%%", "ab", values, out, sizeof(out));
	assert_string_equal(out, "onetwo %c%%");
	text_expand("%a %b %a %b", "ab", values, out, sizeof(out));
	assert_string_equal(out, "one two one");
}

static char logged[2048];

static void sink(enum log_level level, const char *line)
{
	(void)level;
	strcpy(logged, line);
}

static void logs_clean(void **state)
{
	(void)state;
	log_set_sink(sink);
	log_info("serial=%s name=%s", "A\033[31m\nB\xc2\x9b", "caf\xc3\xa9 \xe2\x80\xae");
	log_set_sink(NULL);
	assert_string_equal(logged, ": info: serial=A?[31m?B? name=café ?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cleans),
	    cmocka_unit_test(copies_whole_characters),
	    cmocka_unit_test(holds_for_any_bytes),
	    cmocka_unit_test(ascii),
	    cmocka_unit_test(expands),
	    cmocka_unit_test(logs_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
