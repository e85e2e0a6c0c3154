#include "lib/json/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/near.h"
#include "lib/base/words.h"

#define LIST_MAX 1024

/* ---- where we are, and refusing ---------------------------------------------------------------*/

void json_enter(struct json_reader *r, const char *key)
{
	if (r->path.depth < JSON_PATH_STEPS_MAX)
		r->path.step[r->path.depth++].key = key;
}

void json_enter_at(struct json_reader *r, size_t index)
{
	if (r->path.depth < JSON_PATH_STEPS_MAX) {
		r->path.step[r->path.depth].key = NULL;
		r->path.step[r->path.depth++].index = index;
	}
}

void json_leave(struct json_reader *r)
{
	r->path.depth--;
}

int json_refuse_why(struct json_reader *r)
{
	r->refusals++;
	if (r->refuse)
		r->refuse(r->ctx, &r->path, &r->why);
	return -EINVAL;
}

static void say(struct json_reader *r, const char *fmt, va_list ap)
{
	char sentence[800];

	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	err_set(&r->why, EINVAL, "%s", sentence);
}

int json_refuse(struct json_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, fmt, ap);
	va_end(ap);
	return json_refuse_why(r);
}

int json_refuse_member(struct json_reader *r, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(r, fmt, ap);
	va_end(ap);
	json_enter(r, key);
	(void)json_refuse_why(r);
	json_leave(r);
	return -EINVAL;
}

void json_warn(struct json_reader *r, const char *fmt, ...)
{
	char sentence[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (r->warn)
		r->warn(r->ctx, &r->path, sentence);
}

static void keep_first(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct json_first_refusal *first = ctx;

	if (first->told)
		return;
	first->told = true;
	*first->bad = *bad;
	if (first->e)
		*first->e = *why;
}

struct json_reader json_reader_first(struct json_first_refusal *first)
{
	first->bad->depth = 0;
	return (struct json_reader){.refuse = keep_first, .ctx = first};
}

void json_known(struct json_reader *r, const json_t *value, const char *const *known, size_t count)
{
	const char *key;
	json_t *ignored;

	json_object_foreach((json_t *)value, key, ignored) {
		size_t i = 0;
		while (i < count && strcmp(key, known[i]) != 0)
			i++;
		if (i < count || !r->unknown)
			continue;
		json_enter(r, key);
		r->unknown(r->ctx, &r->path, near_word(key, known, count));
		json_leave(r);
	}
}

/* ---- types ------------------------------------------------------------------------------------*/

bool json_absent(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_string(value) && !json_string_length(value));
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

int json_want_line(struct json_reader *r, const json_t *value, const char **out)
{
	if (!json_is_string(value))
		return json_refuse(r, "must be a text in quotes, not %s", type_name(value));
	const char *s = json_string_value(value);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return json_refuse(r,
			    "must not hold a line break or another control character (code %u)",
			    *p == 0xc2 ? p[1] : *p);
	*out = s;
	return 0;
}

int json_want_flag(struct json_reader *r, const json_t *value, bool *out)
{
	if (!json_is_boolean(value))
		return json_refuse(r, "must be true or false, without quotes");
	*out = json_is_true(value);
	return 0;
}

int json_want_integer(
    struct json_reader *r, const json_t *value, int64_t min, int64_t max, int64_t *out)
{
	if (!json_is_integer(value))
		return json_refuse(r, "must be a whole number from %lld to %lld%s", (long long)min,
		    (long long)max, json_is_string(value) ? ", without quotes" : "");
	*out = json_integer_value(value);
	if (*out < min || *out > max)
		return json_refuse(r,
		    "%lld is out of range: write a whole number from %lld to %lld", (long long)*out,
		    (long long)min, (long long)max);
	return 0;
}

int json_want_word(
    struct json_reader *r, const json_t *value, const char *(*word)(size_t i), unsigned *out)
{
	char list[200];
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	int i = word_index(word, s);
	if (i < 0)
		return json_refuse(r, "\"%.40s\" is not known: write %s", s,
		    word_list(word, "\"", list, sizeof(list)));
	*out = (unsigned)i;
	return 0;
}

int json_want_object(struct json_reader *r, const json_t *value, const char *example,
    const char *const *known, size_t count)
{
	if (!json_is_object(value))
		return json_refuse(r, "must be an object such as %s", example);
	json_known(r, value, known, count);
	return 0;
}

int json_read_line(struct json_reader *r, json_t *value)
{
	const char *s;

	return json_want_line(r, value, &s);
}

int json_read_text(struct json_reader *r, json_t *value)
{
	return json_is_string(value) ? 0 : json_refuse(r, "must be a text in quotes");
}

int json_read_flag(struct json_reader *r, json_t *value)
{
	bool flag;

	return json_want_flag(r, value, &flag);
}

/* ---- walking ----------------------------------------------------------------------------------*/

void json_member(struct json_reader *r, json_t *object, const char *key,
    int (*read)(struct json_reader *, json_t *))
{
	json_t *value = json_object_get(object, key);

	if (json_absent(value))
		return;
	json_enter(r, key);
	(void)read(r, value);
	json_leave(r);
}

int json_each(struct json_reader *r, json_t *list, int (*read)(struct json_reader *, json_t *))
{
	json_t *value;
	size_t i;

	if (!json_is_array(list))
		return json_refuse(r, "must be a list: put it in [] brackets");
	if (json_array_size(list) > LIST_MAX)
		return json_refuse(r, "has more than %d entries", LIST_MAX);
	json_array_foreach(list, i, value) {
		json_enter_at(r, i);
		(void)read(r, value);
		json_leave(r);
	}
	return 0;
}
