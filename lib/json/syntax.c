#include "lib/json/syntax.h"

#include <errno.h>
#include <string.h>

#define SHOWN_MAX 40

struct walk {
	const char *text;
	size_t len, at;
	size_t behind; /* the end of the last token: where something missing belongs */
	unsigned depth, depth_max;
	size_t *bad;
	struct err *e;
};

#define refuse(w, place, ...) (*(w)->bad = (place), err_set((w)->e, EINVAL, __VA_ARGS__))

static char peek(const struct walk *w)
{
	return w->at < w->len ? w->text[w->at] : '\0';
}

static bool starts(const struct walk *w, const char *word)
{
	size_t n = strlen(word);

	return w->len - w->at >= n && memcmp(w->text + w->at, word, n) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int line_of(const struct walk *w, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at && i < w->len; i++)
		line += w->text[i] == '\n';
	return line;
}

/* ---- encoding
 * -----------------------------------------------------------------------------------*/

/* Length of the UTF-8 sequence at text[i], 0 when it is not one (RFC 3629). */
static size_t utf8_length(const char *text, size_t len, size_t i)
{
	const unsigned char *p = (const unsigned char *)text + i;
	size_t left = len - i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;
		return left >= 3 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;
		return left >= 4 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 &&
			       (p[3] & 0xc0) == 0x80
			   ? 4
			   : 0;
	}
	return 0;
}

/* Windows' "Unicode": a byte order mark, or every second byte zero. */
static bool is_utf16(const char *text, size_t len)
{
	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return true;
	if (len < 4)
		return false;
	return (!text[0] && text[1] && !text[2] && text[3]) ||
	       (text[0] && !text[1] && text[2] && !text[3]);
}

static int check_encoding(struct walk *w)
{
	size_t n;

	if (is_utf16(w->text, w->len))
		return refuse(w, 0,
		    "the file is in UTF-16 encoding: save it as UTF-8, without a byte order mark");
	for (size_t i = 0; i < w->len; i += n) {
		n = utf8_length(w->text, w->len, i);
		if (n == 0)
			return refuse(w, i,
			    "the byte 0x%02x is not UTF-8: save the file in UTF-8 encoding",
			    (unsigned char)w->text[i]);
		if (w->text[i] == '\0')
			return refuse(w, i, "a NUL byte stands in the text: remove it");
	}
	return 0;
}

/* ---- between the tokens
 * ------------------------------------------------------------------------*/

/* What looks like a blank or like nothing, and comes along from web pages and word processors. */
static const struct {
	const char *bytes, *name;
} odd_blanks[] = {
    {"\xc2\xa0", "a no-break space (U+00A0)"},
    {"\xe2\x80\xaf", "a narrow no-break space (U+202F)"},
    {"\xe2\x80\x8b", "a zero-width space (U+200B)"},
    {"\xe2\x80\xa8", "a line separator (U+2028)"},
    {"\xe3\x80\x80", "an ideographic space (U+3000)"},
    {"\xef\xbb\xbf", "a byte order mark (U+FEFF)"},
};

static int skip_blanks(struct walk *w)
{
	while (w->at < w->len && strchr(" \t\r\n", w->text[w->at]))
		w->at++;
	if (w->at == w->len)
		return 0;
	if (starts(w, "//") || starts(w, "/*") || peek(w) == '#')
		return refuse(w, w->at, "a comment starts here, and JSON has none: remove it");
	for (size_t i = 0; i < sizeof(odd_blanks) / sizeof(*odd_blanks); i++)
		if (starts(w, odd_blanks[i].bytes))
			return refuse(w, w->at, "%s stands here: replace it by a plain space",
			    odd_blanks[i].name);
	if ((unsigned char)peek(w) < 0x20 || peek(w) == 0x7f)
		return refuse(w, w->at,
		    "a control character (code %u) stands in the text: remove it",
		    (unsigned char)peek(w));
	return 0;
}

/* Quotes that are none of JSON's; NULL: it is none. */
static const char *odd_quote(const struct walk *w)
{
	static const struct {
		const char *bytes, *name;
	} quotes[] = {
	    {"'", "a single quote (')"},
	    {"`", "a backtick (`)"},
	    {"\xe2\x80\x98", "a typographic quote (\xe2\x80\x98)"},
	    {"\xe2\x80\x99", "a typographic quote (\xe2\x80\x99)"},
	    {"\xe2\x80\x9a", "a typographic quote (\xe2\x80\x9a)"},
	    {"\xe2\x80\x9c", "a typographic quote (\xe2\x80\x9c)"},
	    {"\xe2\x80\x9d", "a typographic quote (\xe2\x80\x9d)"},
	    {"\xe2\x80\x9e", "a typographic quote (\xe2\x80\x9e)"},
	    {"\xe2\x80\xb3", "a double prime (\xe2\x80\xb3)"},
	    {"\xc2\xab", "a typographic quote (\xc2\xab)"},
	    {"\xc2\xbb", "a typographic quote (\xc2\xbb)"},
	    {"\xef\xbc\x82", "a full-width quote (\xef\xbc\x82)"},
	};

	for (size_t i = 0; i < sizeof(quotes) / sizeof(*quotes); i++)
		if (starts(w, quotes[i].bytes))
			return quotes[i].name;
	return NULL;
}

/* An unquoted word: its bytes up to what ends it, and how many of them a sentence shows. */
struct word {
	const char *text;
	size_t len;
	int shown;
};

static struct word word_at(const struct walk *w)
{
	struct word word = {.text = w->text + w->at};
	size_t left = w->len - w->at;

	while (word.len < left && !strchr(" \t\r\n,;#]}{[\"", word.text[word.len]) &&
	       (word.len + 1 >= left || word.text[word.len] != '/' ||
		   !strchr("/*", word.text[word.len + 1])))
		word.len++;
	word.shown = word.len < SHOWN_MAX ? (int)word.len : SHOWN_MAX;
	while (
	    (size_t)word.shown < word.len && ((unsigned char)word.text[word.shown] & 0xc0) == 0x80)
		word.shown--;
	return word;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->text, text, word->len) == 0;
}

/* ---- strings
 * ------------------------------------------------------------------------------------*/

static int check_escape(struct walk *w)
{
	char c = w->at + 1 < w->len ? w->text[w->at + 1] : '\0';

	if (c == 'u') {
		for (int i = 2; i < 6; i++)
			if (w->at + (size_t)i >= w->len ||
			    !strchr("0123456789abcdefABCDEF", w->text[w->at + (size_t)i]))
				return refuse(
				    w, w->at, "\\u needs four hexadecimal digits, such as \\u00e4");
		w->at += 6;
		return 0;
	}
	if (!c || !strchr("\"\\/bfnrt", c)) {
		if (c > 0x20 && c < 0x7f)
			return refuse(
			    w, w->at, "\\%c means nothing in JSON: write \\\\ for a backslash", c);
		return refuse(w, w->at,
		    "a backslash stands before nothing that it could mean: write \\\\ for a backslash");
	}
	w->at += 2;
	return 0;
}

static int check_string(struct walk *w)
{
	size_t begin = w->at++;
	int rc;

	while (w->at < w->len && w->text[w->at] != '"') {
		unsigned char c = (unsigned char)w->text[w->at];
		if (c == '\n' || c == '\r')
			return refuse(w, w->at,
			    "a line ends inside a string: close the quotes, or write \\n for a line break");
		if (c == '\t')
			return refuse(w, w->at,
			    "a tab stands in a string: write \\t for a tab (\\u0009), or blanks");
		if (c < 0x20)
			return refuse(w, w->at,
			    "a raw control character stands in a string: write \\u%04x", c);
		if (c != '\\')
			w->at++;
		else if ((rc = check_escape(w)) < 0)
			return rc;
	}
	if (w->at == w->len)
		return refuse(
		    w, begin, "the JSON ends too early: the quote that opens here is not closed");
	w->behind = ++w->at;
	return 0;
}

/* ---- values
 * -------------------------------------------------------------------------------------*/

static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && is_digit(s[n]))
		n++;
	return n;
}

static bool is_number(const char *s, size_t len)
{
	size_t i = len > 0 && s[0] == '-', n = digits(s + i, len - i);

	if (n == 0 || (n > 1 && s[i] == '0'))
		return false;
	i += n;
	if (i < len && s[i] == '.') {
		n = digits(s + i + 1, len - i - 1);
		if (n == 0)
			return false;
		i += 1 + n;
	}
	if (i < len && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		i += i < len && (s[i] == '+' || s[i] == '-');
		n = digits(s + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return i == len;
}

static bool is_hexadecimal(const char *s, size_t len)
{
	size_t i = 2;

	if (len < 3 || s[0] != '0' || (s[1] | 0x20) != 'x')
		return false;
	while (i < len && strchr("0123456789abcdefABCDEF", s[i]))
		i++;
	return i == len;
}

/* Words of other languages and what they are in JSON. */
static const struct {
	const char *word, *json;
} foreign[] = {
    {"True", "true"},
    {"TRUE", "true"},
    {"yes", "true"},
    {"Yes", "true"},
    {"on", "true"},
    {"False", "false"},
    {"FALSE", "false"},
    {"no", "false"},
    {"No", "false"},
    {"off", "false"},
    {"None", "null"},
    {"NULL", "null"},
    {"Null", "null"},
    {"nil", "null"},
    {"undefined", "null"},
};

static int check_word(struct walk *w)
{
	struct word word = word_at(w);

	if (word_is(&word, "true") || word_is(&word, "false") || word_is(&word, "null") ||
	    is_number(word.text, word.len)) {
		w->behind = w->at += word.len;
		return 0;
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (word_is(&word, foreign[i].word))
			return refuse(w, w->at, "%s is no JSON: write %s, or \"%s\" for the word",
			    foreign[i].word, foreign[i].json, foreign[i].word);
	size_t sign = word.len > 0 && strchr("+-", *word.text);
	if (is_hexadecimal(word.text + sign, word.len - sign))
		return refuse(w, w->at,
		    "%.*s is hexadecimal, which JSON has not: write the number in digits 0 to 9",
		    word.shown, word.text);
	if (*word.text == '+' && is_number(word.text + 1, word.len - 1))
		return refuse(w, w->at, "the number %.*s begins with a +: write it without",
		    word.shown, word.text);
	if (*word.text == '.' && word.len > 1 &&
	    digits(word.text + 1, word.len - 1) == word.len - 1)
		return refuse(w, w->at, "the number %.*s begins with a point: write 0%.*s",
		    word.shown, word.text, word.shown, word.text);
	if (digits(word.text, word.len) == word.len)
		return refuse(w, w->at, "the number %.*s begins with a 0: write it without",
		    word.shown, word.text);
	return refuse(w, w->at, "the text %.*s needs double quotes: write \"%.*s\"", word.shown,
	    word.text, word.shown, word.text);
}

static int check_value(struct walk *w);

static int open_bracket(struct walk *w)
{
	if (++w->depth > w->depth_max)
		return refuse(w, w->at, "brackets are nested deeper than %u levels: flatten it",
		    w->depth_max);
	w->behind = ++w->at;
	return skip_blanks(w);
}

static void close_bracket(struct walk *w)
{
	w->depth--;
	w->behind = ++w->at;
}

/* After a member or an element: 1: another one follows, 0: the closing bracket was there. */
static int check_separator(struct walk *w, size_t open, char close)
{
	size_t value_end = w->behind;
	int rc = skip_blanks(w);
	char c = peek(w);

	if (rc < 0)
		return rc;
	if (w->at == w->len)
		return refuse(w, w->behind,
		    "the JSON ends too early: the %c of line %d is not closed, %c is missing here",
		    w->text[open], line_of(w, open), close);
	if (c == close) {
		close_bracket(w);
		return 0;
	}
	if (c == ']' || c == '}')
		return refuse(w, w->at, "%c does not close the %c of line %d: write %c", c,
		    w->text[open], line_of(w, open), close);
	if (c == ';')
		return refuse(w, w->at, "; separates nothing in JSON: write a comma");
	if (c == ':' && close == ']')
		return refuse(w, w->at,
		    "a colon stands in a list: close the [ of line %d before, or put what has a name in {} brackets",
		    line_of(w, open));
	if (c != ',')
		return refuse(w, value_end, "a comma is missing here, before what follows");
	size_t comma = w->at;
	w->behind = ++w->at;
	rc = skip_blanks(w);
	if (rc < 0)
		return rc;
	if (peek(w) == '}' || peek(w) == ']')
		return refuse(
		    w, comma, "no comma may stand before the closing %c: remove it", peek(w));
	if (peek(w) == ',')
		return refuse(w, w->at, "two commas follow each other: remove one");
	return 1;
}

static int check_key(struct walk *w)
{
	const char *quote = odd_quote(w);

	if (w->at == w->len)
		return refuse(
		    w, w->behind, "the JSON ends too early: a closing bracket is missing here");
	if (quote)
		return refuse(w, w->at, "%s stands here: JSON's quotes are double ones, \"", quote);
	if (peek(w) == ',')
		return refuse(w, w->at, "a member is missing before this comma: remove the comma");
	if (peek(w) == '{' || peek(w) == '[')
		return refuse(w, w->at,
		    "a bracket stands where a name in double quotes belongs, such as \"name\":");
	if (peek(w) != '"') {
		struct word word = word_at(w);
		const char *colon = memchr(word.text, ':', (size_t)word.shown);
		int n = colon ? (int)(colon - word.text) : word.shown;
		if (n == 0)
			return refuse(w, w->at, "a name in double quotes is missing here");
		return refuse(w, w->at, "the name %.*s needs double quotes: write \"%.*s\"", n,
		    word.text, n, word.text);
	}
	return check_string(w);
}

static int check_colon(struct walk *w)
{
	int rc = skip_blanks(w);

	if (rc < 0)
		return rc;
	if (peek(w) == '=')
		return refuse(w, w->at, "a colon belongs between name and value, not =");
	if (peek(w) == ',' || peek(w) == '}' || w->at == w->len)
		return refuse(w, w->behind, "%sthis name has no value: add a colon and the value",
		    w->at == w->len ? "the JSON ends too early: " : "");
	if (peek(w) != ':')
		return refuse(w, w->behind, "a colon is missing here, between name and value");
	w->behind = ++w->at;
	return skip_blanks(w);
}

static int check_object(struct walk *w)
{
	size_t open = w->at;
	int rc = open_bracket(w);

	if (rc == 0 && peek(w) == '}') {
		close_bracket(w);
		return 0;
	}
	while (rc >= 0) {
		rc = check_key(w);
		if (rc == 0)
			rc = check_colon(w);
		if (rc == 0)
			rc = check_value(w);
		if (rc == 0)
			rc = check_separator(w, open, '}');
		if (rc == 0)
			return 0;
	}
	return rc;
}

static int check_array(struct walk *w)
{
	size_t open = w->at;
	int rc = open_bracket(w);

	if (rc == 0 && peek(w) == ']') {
		close_bracket(w);
		return 0;
	}
	while (rc >= 0) {
		rc = check_value(w);
		if (rc == 0)
			rc = check_separator(w, open, ']');
		if (rc == 0)
			return 0;
	}
	return rc;
}

static int check_value(struct walk *w)
{
	const char *quote = odd_quote(w);
	char c = peek(w);

	if (w->at == w->len)
		return refuse(w, w->behind, "the JSON ends too early: a value is missing here");
	if (c == '{')
		return check_object(w);
	if (c == '[')
		return check_array(w);
	if (c == '"')
		return check_string(w);
	if (quote)
		return refuse(w, w->at, "%s stands here: JSON's quotes are double ones, \"", quote);
	if (c == ',' || c == '}' || c == ']')
		return refuse(w, w->behind, "a value is missing here, before the %c", c);
	if (is_letter(c) || is_digit(c) || c == '-' || c == '+' || c == '.' || c == '/' || c == '~')
		return check_word(w);
	return refuse(w, w->at, "the character %c starts no value: put text in double quotes", c);
}

int json_syntax_check(
    const char *text, size_t len, unsigned nesting_max, size_t *bad, struct err *e)
{
	struct walk w = {.text = text, .len = len, .depth_max = nesting_max, .bad = bad, .e = e};
	int rc = check_encoding(&w);

	if (rc == 0)
		rc = skip_blanks(&w);
	if (rc < 0)
		return rc;
	if (peek(&w) != '{' && peek(&w) != '[')
		return refuse(
		    &w, w.at, "the text must be an object: it begins with { and ends with }");
	rc = check_value(&w);
	if (rc == 0)
		rc = skip_blanks(&w);
	if (rc < 0)
		return rc;
	if (peek(&w) == '}' || peek(&w) == ']')
		return refuse(&w, w.at, "there is one closing %c too many: remove it", peek(&w));
	if (w.at < w.len)
		return refuse(
		    &w, w.at, "text follows after the closing bracket of the whole: remove it");
	return 0;
}
