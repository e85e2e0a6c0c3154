#include "lib/json/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/json/syntax.h"

/* ---- positions --------------------------------------------------------------------------------*/

/* A byte order mark is no column. */
static size_t bom_length(const char *text, size_t len)
{
	return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

void json_text_position(const char *text, size_t offset, int *line, int *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = bom_length(text, offset); i < offset; i++) {
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			++*column;
		}
	}
}

const char *json_path_format(const struct json_path *path, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < path->depth && used < size; i++) {
		const char *key = path->step[i].key;
		int n = key ? snprintf(buf + used, size - used, "%s%s", i ? "." : "", key)
			    : snprintf(buf + used, size - used, "[%zu]", path->step[i].index);
		if (n < 0)
			break;
		used += (size_t)n;
	}
	return buf;
}

/* ---- parsing ----------------------------------------------------------------------------------*/

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '+' || c == '-' || c == '.';
}

/* jansson stops behind the token it dislikes: step back to where that begins. */
static size_t token_start(const char *text, size_t end)
{
	size_t i = end;

	if (i == 0)
		return 0;
	if (text[i - 1] == '"') {
		for (i--; i > 0; i--) {
			size_t slashes = 0;
			if (text[i - 1] != '"')
				continue;
			while (slashes + 1 < i && text[i - 2 - slashes] == '\\')
				slashes++;
			if (slashes % 2 == 0)
				return i - 1;
		}
		return 0;
	}
	while (i > 0 && is_word(text[i - 1]))
		i--;
	return i < end ? i : end - 1;
}

static int syntax_error(
    const char *text, size_t len, const json_error_t *j, size_t *bad, struct err *e)
{
	size_t end = j->position > 0 ? (size_t)j->position : 0;

	*bad = token_start(text, end < len ? end : len);
	switch (json_error_code(j)) {
	case json_error_duplicate_key:
		return err_set(e, EINVAL, "the key %.*s is given twice: keep one",
		    (int)(end - *bad < 80 ? end - *bad : 80), text + *bad);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return err_set(e, EINVAL, "\\u0000 stands in a string: remove it");
	case json_error_numeric_overflow:
		return err_set(e, EINVAL, "the number is too large");
	default:
		return err_set(e, EINVAL, "this is not valid JSON: %s", j->text);
	}
}

json_t *json_text_parse(
    const char *text, size_t len, unsigned nesting_max, size_t *bad, struct err *e)
{
	json_error_t j;
	size_t bom = bom_length(text, len);
	bool blank = true;

	*bad = 0;
	for (size_t i = bom; i < len && blank; i++)
		blank = text[i] && strchr(" \t\r\n", text[i]);
	if (blank) {
		err_set(e, EINVAL,
		    "the file is empty: write a JSON object such as {\"name\": \"web1\"}");
		return NULL;
	}
	if (json_syntax_check(text + bom, len - bom, nesting_max, bad, e) < 0) {
		*bad += bom;
		return NULL;
	}

	json_t *root = json_loadb(text + bom, len - bom, JSON_REJECT_DUPLICATES, &j);
	if (!root) {
		syntax_error(text + bom, len - bom, &j, bad, e);
		*bad += bom;
		return NULL;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		json_text_find(text, len, &(struct json_path){.depth = 0}, false, bad);
		err_set(e, EINVAL, "the text must be an object, { ... }, and is a list");
		return NULL;
	}
	return root;
}

/* ---- finding a value again --------------------------------------------------------------------*/

struct scan {
	const char *text;
	size_t len;
	size_t at;
};

static char peek(const struct scan *s)
{
	return s->at < s->len ? s->text[s->at] : '\0';
}

static void skip_space(struct scan *s)
{
	while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]))
		s->at++;
}

static void skip_string(struct scan *s)
{
	for (s->at++; s->at < s->len && s->text[s->at] != '"'; s->at++)
		if (s->text[s->at] == '\\')
			s->at++;
	s->at++;
}

static void skip_value(struct scan *s)
{
	unsigned depth = 0;

	do {
		char c = peek(s);
		if (c == '"') {
			skip_string(s);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (depth == 0 && (c == ',' || c == '\0'))
			return;
		s->at++;
		if (depth == 0 && s->at < s->len && strchr(",]} \t\r\n", s->text[s->at]))
			return;
	} while (s->at < s->len && (depth > 0 || !strchr(",]} \t\r\n", s->text[s->at])));
}

static bool key_is(const struct scan *s, size_t start, size_t end, const char *key)
{
	size_t len = end - start;

	if (!memchr(s->text + start, '\\', len))
		return len == strlen(key) + 2 && memcmp(s->text + start + 1, key, len - 2) == 0;
	json_t *decoded = json_loadb(s->text + start, len, JSON_DECODE_ANY, NULL);
	bool same = json_is_string(decoded) && strcmp(json_string_value(decoded), key) == 0;
	json_decref(decoded);
	return same;
}

/* At the opening bracket; leaves s->at at the wanted member or element. *key_at is its key. */
static bool enter(struct scan *s, const char *key, size_t index, size_t *key_at)
{
	if (peek(s) != (key ? '{' : '['))
		return false;
	s->at++;
	for (size_t i = 0;; i++) {
		bool here = !key && i == index;
		skip_space(s);
		if (s->at >= s->len || peek(s) == '}' || peek(s) == ']')
			return false;
		*key_at = s->at;
		if (key) {
			skip_string(s);
			here = s->at <= s->len && key_is(s, *key_at, s->at, key);
			skip_space(s);
			s->at++; /* ':' */
			skip_space(s);
		}
		if (here)
			return true;
		skip_value(s);
		skip_space(s);
		if (peek(s) != ',')
			return false;
		s->at++;
	}
}

bool json_text_find(
    const char *text, size_t len, const struct json_path *path, bool key, size_t *offset)
{
	struct scan s = {.text = text, .len = len, .at = bom_length(text, len)};
	size_t key_at = 0;

	skip_space(&s);
	for (unsigned i = 0; i < path->depth; i++)
		if (!enter(&s, path->step[i].key, path->step[i].index, &key_at))
			return false;
	*offset = key && path->depth > 0 ? key_at : s.at;
	return true;
}
