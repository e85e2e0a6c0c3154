#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/terminal_text.h"

static const struct {
	const char *from, *to;
} rows[] = {
    {"", ""},
    {"plain\r\ntext", "plain\ntext"},
    {"\033[2J\033[1;1Hone\033[5;3Htwo\033[0m\r\n", "one\ntwo\n"},
    {"\033]0;title\atext\033]52;c;aGk=\033\\s", "texts"},
    {"\033P$qm\033\\a\033_x\033\\b\033^y\033\\c\033X\033\\d", "abcd"},
    {"\033(Ba\033)0b\0337c\033=d", "abcd"},
    {"10%\r20%\r\n", "20%\n"},
    {"longer\rab\r\n", "abnger\n"},
    {"longer\rab\033[K\r\n", "ab\n"},
    {"ab\b\bc\n", "cb\n"},
    {"\b\b\bx\n", "x\n"},
    {"\xc3\xbc\bu\n", "u?\n"},
    {"a\n\n\n\n\nb\n", "a\n\nb\n"},
    {"<b>\033[31mred\033[0m</b>", "<b>red</b>"},
    {"\x9b"
     "31m\xe2\x80\xae",
	"?31m?"},
    {"a\033", "a"},
    {"a\033[", "a"},
    {"a\033[12;", "a"},
    {"a\033]never ends\nb", "a\nb"},
    {"a\033\033[31mb", "ab"},
    {"a\033[\001b", "ab"},
    {"a\x7f\x05\x0e"
     "b\tc",
	"ab\tc"},
};

static void shows_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_free_ char *text = terminal_text(rows[i].from, strlen(rows[i].from));
		assert_non_null(text);
		assert_string_equal(text, rows[i].to);
	}
	_cleanup_free_ char *text = terminal_text("a\0b\033\0c", 6);
	assert_string_equal(text, "abc");
}

/* Whatever comes: no longer than it was, and nothing in it that steers a terminal. */
static void holds_for_any_bytes(void **state)
{
	static const char alphabet[] = "\033\033[]PX^_\\\a\b\r\n\t;?0123HJKCGmA\xc3\xbc\x9b\x00 a";
	unsigned seed = 1;
	char bytes[300];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		size_t len = (seed >> 16) % sizeof(bytes);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245u + 12345u;
			bytes[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		_cleanup_free_ char *text = terminal_text(bytes, len);
		assert_non_null(text);
		assert_true(strlen(text) <= len);
		for (const char *p = text; *p; p++)
			assert_true((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
	}
}

/* A sequence that never ends swallows a bounded part of what follows. */
static void unending_sequences_end(void **state)
{
	static char bytes[10000];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "\033]", 2);
	_cleanup_free_ char *text = terminal_text(bytes, sizeof(bytes));
	assert_true(strlen(text) > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shows_lines),
	    cmocka_unit_test(holds_for_any_bytes),
	    cmocka_unit_test(unending_sequences_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
