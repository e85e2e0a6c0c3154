#include "lib/json/yaml_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

#define KEY_MAX_BYTES 1000

/* Decodes one character of valid UTF-8; returns its length. */
static size_t decode(const unsigned char *p, unsigned long *code)
{
	size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	*code = len == 1 ? *p : *p & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*code = *code << 6 | (p[i] & 0x3f);
	return len;
}

/* What YAML does not take, or takes for a line break or a mark. All of it is below U+10000, where
 * one
 * \u is the same in both languages. */
static bool is_special(unsigned long c)
{
	return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c <= 0xa0) || c == 0x2028 ||
	       c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

static void put_string(FILE *f, const char *text)
{
	unsigned long code;

	fputc('"', f);
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t len = decode(p, &code);
		if (code == '\n')
			fputs("\\n", f);
		else if (code == '"' || code == '\\')
			fprintf(f, "\\%c", (int)code);
		else if (is_special(code))
			fprintf(f, "\\u%04lx", code);
		else
			fwrite(p, 1, len, f);
		p += len;
	}
	fputc('"', f);
}

/* YAML's floats have a point, and a sign in their exponent. */
static void put_real(FILE *f, const json_t *real)
{
	_cleanup_free_ char *text = json_dumps(real, JSON_ENCODE_ANY);
	char *exponent = text ? strchr(text, 'e') : NULL;

	if (!exponent) {
		fputs(text ? text : "0.0", f);
		return;
	}
	*exponent++ = '\0';
	fprintf(f, "%s%se%s%s", text, strchr(text, '.') ? "" : ".0",
	    *exponent == '-' || *exponent == '+' ? "" : "+", exponent);
}

static void put_value(FILE *f, const json_t *json, int depth);

static void put_line(FILE *f, const char *before, int depth)
{
	fprintf(f, "%s\n%*s", before, depth, "");
}

static void put_object(FILE *f, const json_t *json, int depth)
{
	const char *key, *before = "{";
	json_t *value;

	json_object_foreach((json_t *)json, key, value) {
		put_line(f, before, depth + 1);
		if (strlen(key) > KEY_MAX_BYTES)
			fputs("? ", f);
		put_string(f, key);
		fputs(": ", f);
		put_value(f, value, depth + 1);
		before = ",";
	}
	put_line(f, "", depth);
	fputc('}', f);
}

static void put_array(FILE *f, const json_t *json, int depth)
{
	const char *before = "[";
	json_t *value;
	size_t i;

	json_array_foreach(json, i, value) {
		put_line(f, before, depth + 1);
		put_value(f, value, depth + 1);
		before = ",";
	}
	put_line(f, "", depth);
	fputc(']', f);
}

static void put_value(FILE *f, const json_t *json, int depth)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		if (json_object_size(json) == 0)
			fputs("{}", f);
		else
			put_object(f, json, depth);
		break;
	case JSON_ARRAY:
		if (json_array_size(json) == 0)
			fputs("[]", f);
		else
			put_array(f, json, depth);
		break;
	case JSON_STRING:
		put_string(f, json_string_value(json));
		break;
	case JSON_INTEGER:
		fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		break;
	case JSON_REAL:
		put_real(f, json);
		break;
	case JSON_TRUE:
		fputs("true", f);
		break;
	case JSON_FALSE:
		fputs("false", f);
		break;
	default:
		fputs("null", f);
		break;
	}
}

char *yaml_text(const json_t *json)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_value(f, json, 0);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
