/* The emitter of HTML: whatever a value holds, no character of it begins or ends markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/pages/html.h"
#include "lib/base/text.h"

/* Markup, ends of attributes, protocols, control and invisible characters, what is no UTF-8. */
static const char *const hostile[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "//evil.example/x",
    "../../api/v1/vms",
    "a?b=c&d=e#f",
    "&lt;b&gt;&#x3c;",
    "--><!--",
    "]]></title><base href=//evil.example>",
    "\xe2\x80\xae"
    "gnirts",
    "\xff\xfe<\xc0\xbc>",
    "\x1b[2Jcleared",
    "`${alert(1)}`",
    "line\r\nSet-Cookie: x=y",
};
#define HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

static char *stolen(struct html *h)
{
	char *text = html_steal(h);

	assert_non_null(text);
	return text;
}

static void test_known(void **state)
{
	static const struct {
		const char *value, *text, *attr, *part;
	} cases[] = {
	    {"plain", "plain", " title=\"plain\"", "plain"},
	    {"a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&#39;", " title=\"a&lt;b&gt;&amp;&quot;c&#39;\"",
		"a%3Cb%3E%26%22c%27"},
	    {"Übung 1", "Übung 1", " title=\"Übung 1\"", "%C3%9Cbung%201"},
	    {"one\ntwo\tthree", "one\ntwo\tthree", " title=\"one?two?three\"", "one%0Atwo%09three"},
	    {"\x1b[2J\x7f", "?[2J?", " title=\"?[2J?\"", "%1B%5B2J%7F"},
	    {"\xff\xe2\x80\xae", "??", " title=\"??\"", "%FF%E2%80%AE"},
	    {"../a/b?c#d%", "../a/b?c#d%", " title=\"../a/b?c#d%\"", "..%2Fa%2Fb%3Fc%23d%25"},
	    {"", "", " title=\"\"", ""},
	    {NULL, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct html h = HTML_INIT;
		html_text(&h, cases[i].value);
		char *text = stolen(&h);
		html_attr(&h, "title", cases[i].value);
		char *attr = stolen(&h);
		html_url_part(&h, cases[i].value);
		char *part = stolen(&h);

		assert_string_equal(text, cases[i].text);
		assert_string_equal(attr, cases[i].attr);
		assert_string_equal(part, cases[i].part);
		free(text);
		free(attr);
		free(part);
	}
}

static void test_advice(void **state)
{
	static const char *const cases[][2] = {
	    {"run `vmlab ls`, then `vmlab up web`",
		"run <code>vmlab ls</code>, then <code>vmlab up web</code>"},
	    {"`a<b>`\n`", "<code>a&lt;b&gt;</code>\n`"},
	    {"one ` alone", "one ` alone"},
	    {"``", "<code></code>"},
	    {"plain & \xff", "plain &amp; ?"},
	    {"", ""},
	    {NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct html h = HTML_INIT;
		html_advice(&h, cases[i][0]);
		char *text = stolen(&h);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

/* Without the quotation marks around it. */
static void assert_harmless(const char *written, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		int plain;
		n = text_character(written + i, len - i, &plain);
		assert_true(plain || written[i] == '\n' || written[i] == '\t');
		assert_null(strchr("<>\"'", written[i]));
		if (written[i] == '&')
			assert_true(strncmp(written + i, "&amp;", 5) == 0 ||
				    strncmp(written + i, "&lt;", 4) == 0 ||
				    strncmp(written + i, "&gt;", 4) == 0 ||
				    strncmp(written + i, "&quot;", 6) == 0 ||
				    strncmp(written + i, "&#39;", 5) == 0);
	}
}

static void test_hostile(void **state)
{
	static const char before[] = " href=\"/machines/", after[] = "/log\"";

	(void)state;
	for (size_t i = 0; i < HOSTILE; i++) {
		struct html h = HTML_INIT;
		html_text(&h, hostile[i]);
		char *text = stolen(&h);
		assert_harmless(text, strlen(text));
		free(text);

		html_attr(&h, "value", hostile[i]);
		text = stolen(&h);
		size_t len = strlen(text), begin = strlen(" value=\"");
		assert_memory_equal(text, " value=\"", begin);
		assert_int_equal(text[len - 1], '"');
		assert_harmless(text + begin, len - begin - 1);
		free(text);

		html_url(&h, "href", "/machines/", hostile[i], "/log");
		text = stolen(&h);
		len = strlen(text);
		assert_memory_equal(text, before, sizeof(before) - 1);
		assert_string_equal(text + len - (sizeof(after) - 1), after);
		for (size_t k = sizeof(before) - 1; k < len - (sizeof(after) - 1); k++)
			assert_null(strchr("/?#&<>\"':\\ ", text[k]));
		free(text);
	}
}

/* Every byte, alone and behind one that begins a longer character. */
static void test_bytes(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char value[][3] = {{(char)byte}, {(char)0xe2, (char)byte}};

		for (size_t i = 0; i < 2; i++) {
			struct html h = HTML_INIT;
			html_text(&h, value[i]);
			char *text = stolen(&h);
			assert_harmless(text, strlen(text));
			free(text);
		}
	}
}

static void test_times(void **state)
{
	struct html h = HTML_INIT;

	(void)state;
	html_time(&h, 1738324800250, 1738324800250 + 125000);
	html_moment(&h, 1738324800250);
	html_time(&h, 0, 5);
	html_moment(&h, 0);
	char *text = stolen(&h);
	assert_string_equal(text,
	    "<time datetime=\"2025-01-31T12:00:00.250Z\" data-age title=\"2025-01-31 12:00:00 UTC\">2 min ago</time>"
	    "<time datetime=\"2025-01-31T12:00:00.250Z\">2025-01-31 12:00:00</time>");
	free(text);
}

static void test_long(void **state)
{
	struct html h = HTML_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		html_put(&h, "<p>");
		html_number(&h, i);
	}
	char *text = stolen(&h);
	assert_int_equal(strlen(text), 100000 * 3 + 488890);
	assert_string_equal(text + strlen(text) - 8, "<p>99999");
	free(text);
	assert_null(h.text);
	html_put(&h, "anew");
	text = stolen(&h);
	assert_string_equal(text, "anew");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_advice),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
