/* JSON from people: what is no JSON is named, where it stands; and the judge that decides what is
 * JSON at all is jansson.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/syntax.h"
#include "lib/json/text.h"

#define NESTING_MAX 32

static void expect(const char *text, size_t len, size_t bad_wanted, const char *sentence)
{
	struct err e = ERR_INIT;
	size_t bad = SIZE_MAX;
	json_t *root = json_text_parse(text, len, NESTING_MAX, &bad, &e);

	if (root || bad != bad_wanted || !strstr(e.msg, sentence))
		fail_msg(
		    "%s\nat %zu: %s\nwanted at %zu: %s", text, bad, e.msg, bad_wanted, sentence);
}

/* ^ stands before the place; it is not part of the text. */
static const struct {
	const char *text, *sentence;
} broken[] = {
    {"{\"a\": 1, ^// why\n \"b\": 2}", "a comment starts here"},
    {"^# name\n{\"a\": 1}", "a comment starts here"},
    {"{\"a\": ^/* \" */ 1}", "a comment starts here"},
    {"{\"a\": [1, 2^,]}", "no comma may stand before the closing ]"},
    {"{\"a\": 1^,\n}", "no comma may stand before the closing }"},
    {"{\"a\": 1,^, \"b\": 2}", "two commas"},
    {"{^,\"a\": 1}", "a member is missing"},
    {"{\"a\": [^,1]}", "a value is missing here"},
    {"{\"a\":^ }", "a value is missing here, before the }"},
    {"{\"a\"^}", "this name has no value"},
    {"{\"a\"^, \"b\": 1}", "this name has no value"},
    {"{\"a\" ^= 1}", "not ="},
    {"{\"a\"^ 1}", "a colon is missing"},
    {"{\"a\": \"x\"^\n  \"b\": 1}", "a comma is missing here"},
    {"{\"a\": [\"x\"^ \"y\"]}", "a comma is missing here"},
    {"{\"a\": {\"x\": 1}^ \"b\": 1}", "a comma is missing here"},
    {"{\"a\": 1^; \"b\": 1}", "; separates nothing"},
    {"{^'a': 1}", "a single quote (')"},
    {"{\"a\": ^'x'}", "a single quote (')"},
    {"{\"a\": ^`x`}", "a backtick"},
    {"{^\xe2\x80\x9c"
     "a\xe2\x80\x9d: 1}",
	"a typographic quote (\xe2\x80\x9c)"},
    {"{\"a\": ^\xc2\xabx\xc2\xbb}", "a typographic quote (\xc2\xab)"},
    {"{^name: \"x\"}", "the name name needs double quotes: write \"name\""},
    {"{^name : \"x\"}", "write \"name\""},
    {"{\"memory\": ^2G}", "write \"2G\""},
    {"{\"mac\": ^52:54:00:00:00:11}", "write \"52:54:00:00:00:11\""},
    {"{\"ip\": ^192.168.100.11}", "write \"192.168.100.11\""},
    {"{\"ip\": ^10.0.0.0/24, \"b\": 1}", "write \"10.0.0.0/24\""},
    {"{\"a\": ^0x10}", "0x10 is hexadecimal"},
    {"{\"a\": ^-0XfF}", "-0XfF is hexadecimal"},
    {"{\"a\": ^0xyz}", "write \"0xyz\""},
    {"{\"a\": ^0x}", "write \"0x\""},
    {"{\"a\": ^+5}", "+5 begins with a +"},
    {"{\"a\": ^+x}", "write \"+x\""},
    {"{\"a\": ^007}", "begins with a 0"},
    {"{\"a\": ^.5}", "write 0.5"},
    {"{\"a\": ^.5x}", "write \".5x\""},
    {"{\"a\": ^True}", "write true"},
    {"{\"a\": ^no}", "write false"},
    {"{\"a\": ^None}", "write null"},
    {"{\"a\": ^tru}", "write \"tru\""},
    {"{\"a\": \"C:^\\data\"}", "write \\\\ for a backslash"},
    {"{\"a\": \"^\\u12\"}", "four hexadecimal digits"},
    {"{\"a\": \"x^\ty\"}", "a tab stands in a string"},
    {"{\"a\": \"x^\ny\"}", "a line ends inside a string"},
    {"{\"a\": ^\"x}", "the quote that opens here is not closed"},
    {"{\"a\": [1, 2^", "] is missing here"},
    {"{\"a\": 1^// one\n}", "a comment starts here"},
    {"{\"a\": 1^# one\n}", "a comment starts here"},
    {"{\"a\": {\"b\": 1}^", "too early"},
    {"{\"a\": [1, 2 ^}}", "} does not close the [ of line 1: write ]"},
    {"{\"a\": 1}^}", "one closing } too many"},
    {"{\"a\": 1} ^x", "text follows"},
    {"{\"a\": [\"b\"^: 1]}", "close the [ of line 1 before"},
    {"^name: web1\n", "must be an object"},
    {"^---\nname: web1\n", "must be an object"},
    {"{\"a\":^\xc2\xa0"
     "1}",
	"a no-break space (U+00A0)"},
    {"{\"a\":1,\n^\xe2\x80\x8b\"b\":1}", "a zero-width space"},
    {"{\"a\": \"^\xff\"}", "not UTF-8"},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		const char *mark = strchr(broken[i].text, '^');
		char text[200];
		snprintf(text, sizeof(text), "%.*s%s", (int)(mark - broken[i].text), broken[i].text,
		    mark + 1);
		expect(text, strlen(text), (size_t)(mark - broken[i].text), broken[i].sentence);
	}
	expect("\xff\xfe{\0\"\0}\0", 8, 0, "UTF-16");
	expect("\xfe\xff\0{\0\"\0}", 8, 0, "UTF-16");
	expect("{\0\"\0a\0\"\0", 8, 0, "UTF-16");
	expect("\xef\xbb\xbf{\"a\":1 \"b\":2}", 16, 9, "a comma is missing here");
}

/* ---- generated breakages
 * -----------------------------------------------------------------------*/

static uint32_t seed;

static unsigned pick(unsigned below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 16) % below;
}

enum { BEHIND_VALUE = 1, COMMA = 2, STRING = 4, KEY = 8, COLON = 16, CLOSING = 32, LITERAL = 64 };

#define TOKENS_MAX 400

/* Valid JSON and where its tokens lie. */
struct doc {
	char text[8192];
	size_t len;
	struct {
		size_t begin, end;
		unsigned kind;
	} token[TOKENS_MAX];
	unsigned count;
};

static void blanks(struct doc *d)
{
	static const char *const some[] = {"", " ", "\n  ", "\t", " \r\n"};
	const char *s = some[pick(5)];

	d->len += (size_t)sprintf(d->text + d->len, "%s", s);
}

static void token(struct doc *d, const char *text, unsigned kind)
{
	if (d->len > 0)
		blanks(d);
	assert_true(d->count < TOKENS_MAX && d->len + strlen(text) + 8 < sizeof(d->text));
	d->token[d->count].begin = d->len;
	d->len += (size_t)sprintf(d->text + d->len, "%s", text);
	d->token[d->count].end = d->len;
	d->token[d->count++].kind = kind;
}

static void generate(struct doc *d, unsigned depth, bool object)
{
	static const char *const values[] = {"\"x\"", "\"a \\\"b\\\" c\"", "\"\"",
	    "\"\\u00e4{[,:\"", "12", "-0.5e+3", "true", "false", "null", "\"// no comment\"",
	    "\"it's\""};
	unsigned members = depth == 0 ? 2 + pick(4) : pick(4);
	char key[20];

	token(d, object ? "{" : "[", 0);
	for (unsigned i = 0; i < members; i++) {
		if (i > 0)
			token(d, ",", COMMA);
		if (object) {
			snprintf(key, sizeof(key), "\"k%u\"", i);
			token(d, key, KEY | STRING);
			token(d, ":", COLON);
		}
		unsigned v = pick(14);
		if (v >= 11 && depth < 4) {
			generate(d, depth + 1, v != 12);
		} else {
			v %= 11;
			token(d, values[v],
			    (values[v][0] == '"' ? STRING : 0) | (v >= 6 && v <= 8 ? LITERAL : 0));
		}
		d->token[d->count - 1].kind |= BEHIND_VALUE;
	}
	token(d, object ? "}" : "]", CLOSING);
	if (depth == 0)
		d->text[d->len] = '\0';
}

/* A random token of that kind, or -1. */
static int token_of(const struct doc *d, unsigned kind)
{
	unsigned start = pick(d->count);

	for (unsigned i = 0; i < d->count; i++) {
		unsigned k = (start + i) % d->count;
		if (d->token[k].kind & kind)
			return (int)k;
	}
	return -1;
}

/* Replaces text[from, to) and expects the sentence there. */
static void breaks(const struct doc *d, size_t from, size_t to, const char *with, size_t place,
    const char *sentence)
{
	char text[9000];
	int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)from, d->text, with, d->text + to);

	expect(text, (size_t)n, place, sentence);
}

static void test_generated(void **state)
{
	static const struct {
		const char *with, *sentence;
	} inserted[] = {{" // x\n", "comment"}, {" # x\n", "comment"}, {" /* x */", "comment"},
	    {" \xc2\xa0", "no-break space"}, {" \x01", "control character"}};
	struct doc d;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		seed = round * 7919 + 1;
		memset(&d, 0, sizeof(d));
		generate(&d, 0, true);
		struct err e = ERR_INIT;
		size_t bad;
		json_t *root = json_text_parse(d.text, d.len, NESTING_MAX, &bad, &e);
		if (!root)
			fail_msg("valid, but: %s\n%s", e.msg, d.text);
		json_decref(root);

		unsigned what = pick(5);
		size_t end = d.token[pick(d.count)].end;
		breaks(&d, end, end, inserted[what].with, end + 1, inserted[what].sentence);

		int t = token_of(&d, COMMA);
		breaks(&d, d.token[t].begin, d.token[t].end, " ", d.token[t - 1].end,
		    "a comma is missing here");
		breaks(&d, d.token[t].begin, d.token[t].end, ";", d.token[t].begin, "; separates");
		breaks(&d, d.token[t].end, d.token[t].end, ",", d.token[t].end, "comma");

		t = token_of(&d, BEHIND_VALUE);
		if (d.token[t + 1].kind & CLOSING)
			breaks(&d, d.token[t].end, d.token[t].end, ",", d.token[t].end,
			    "no comma may stand");

		t = token_of(&d, COLON);
		breaks(&d, d.token[t].begin, d.token[t].end, "=", d.token[t].begin, "not =");
		breaks(&d, d.token[t].begin, d.token[t].end, " ", d.token[t - 1].end,
		    "a colon is missing");

		t = token_of(&d, STRING);
		breaks(&d, d.token[t].begin, d.token[t].begin + 1, "'", d.token[t].begin,
		    "single quote");
		breaks(&d, d.token[t].begin, d.token[t].begin + 1, "\xe2\x80\x9c", d.token[t].begin,
		    "typographic quote");
		breaks(&d, d.token[t].begin + 1, d.token[t].begin + 1, "\t", d.token[t].begin + 1,
		    "a tab stands");

		t = token_of(&d, KEY);
		breaks(&d, d.token[t].begin, d.token[t].end, "word", d.token[t].begin,
		    "write \"word\"");

		t = token_of(&d, LITERAL);
		if (t >= 0)
			breaks(&d, d.token[t].begin, d.token[t].end, "True", d.token[t].begin,
			    "write true");

		/* Cut anywhere behind a token: it ends too early. */
		unsigned cut = pick(d.count - 1);
		breaks(&d, d.token[cut].end, d.len, "", d.token[cut].end, "too early");
		breaks(&d, d.len, d.len, "}", d.len, "one closing } too many");
	}
}

/* ---- jansson is the judge
 * ----------------------------------------------------------------------*/

static void test_agrees_with_jansson(void **state)
{
	static const char bytes[] = "{}[]\",:;'/\\ \t\n#truefalsn0123.-+eEuU\x01\x7f\xc3\xa4\xff=";
	struct doc d;

	(void)state;
	for (unsigned round = 0; round < 30000; round++) {
		seed = round * 104729 + 3;
		memset(&d, 0, sizeof(d));
		generate(&d, 0, true);
		for (unsigned i = 0; i <= pick(3); i++) {
			size_t at = pick((unsigned)d.len);
			switch (pick(3)) {
			case 0:
				d.text[at] = bytes[pick(sizeof(bytes) - 1)];
				break;
			case 1:
				memmove(d.text + at, d.text + at + 1, d.len - at);
				d.len--;
				break;
			default:
				memmove(d.text + at + 1, d.text + at, d.len - at + 1);
				d.text[at] = bytes[pick(sizeof(bytes) - 1)];
				d.len++;
			}
		}
		json_error_t j;
		struct err e = ERR_INIT;
		size_t bad = SIZE_MAX;
		json_t *root = json_loadb(d.text, d.len, 0, &j);
		int rc = json_syntax_check(d.text, d.len, 64, &bad, &e);
		if ((root != NULL) != (rc == 0) && strcmp(j.text, "too big integer") != 0 &&
		    !strstr(j.text, "Unicode") && !strstr(j.text, "real number overflow"))
			fail_msg("%s\njansson: %s\nhere: %s", d.text, root ? "takes it" : j.text,
			    rc ? e.msg : "takes it");
		if (rc < 0 && (bad > d.len || e.msg[0] == '\0'))
			fail_msg("%s\nat %zu: %s", d.text, bad, e.msg);
		json_decref(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_generated),
	    cmocka_unit_test(test_agrees_with_jansson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
