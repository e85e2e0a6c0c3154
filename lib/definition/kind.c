/* kind.c - the simple kinds of fields: read, judged, defaulted and printed by their row. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/size.h"
#include "lib/base/words.h"
#include "lib/definition/field.h"

/* ---- texts ------------------------------------------------------------------------------------*/

bool vm_text_is(const char *text, const char *allowed_bytes, size_t min, size_t max)
{
	size_t len = strlen(text);

	return len >= min && len <= max && strspn(text, allowed_bytes) == len;
}

/* True when `class`, as in "A-Za-z0-9_-", has the character. */
static bool class_has(const char *class, char c)
{
	for (const char *p = class; *p; p++) {
		bool range = p[1] == '-' && p[2];
		if (range ? p[0] <= c && c <= p[2] : *p == c)
			return true;
		p += range ? 2 : 0;
	}
	return false;
}

static bool of_class(const struct vm_field *f, const char *text)
{
	if (!f->bytes)
		return true;
	for (const char *p = text; *p; p++)
		if (!class_has(p == text ? f->first : f->bytes, *p))
			return false;
	return true;
}

static int read_text(struct json_reader *r, const struct vm_field *f, json_t *value, void *record)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	bool fits = !f->max || strlen(text) <= f->max;
	if (!fits && !f->is)
		return json_refuse(r, "is longer than %" PRIu64 " bytes: shorten it", f->max);
	if (!fits || !of_class(f, text) || (f->valid && !f->valid(text)))
		return json_refuse(r, "\"%.70s\" is not %s", text, f->is);
	if (f->judge && f->judge(r, text) < 0)
		return -EINVAL;
	if (f->member)
		*(const char **)((char *)record + f->member) = text;
	return 0;
}

/* ---- numbers and sizes ------------------------------------------------------------------------*/

int vm_want_size(struct json_reader *r, const json_t *value, uint64_t unit, uint64_t min,
    uint64_t max, uint64_t *bytes)
{
	char least[SIZE_TEXT_SIZE], most[SIZE_TEXT_SIZE];
	const char *s;

	if (unit && json_is_integer(value)) {
		json_int_t n = json_integer_value(value);
		*bytes = n < 0 || (uint64_t)n > max / unit ? 0 : (uint64_t)n * unit;
	} else if (!json_is_string(value)) {
		return json_refuse(
		    r, unit ? "must be a whole number of MiB, or a size such as \"1G\""
			    : "must be a size with its unit, such as \"10G\"");
	} else if (json_want_line(r, value, &s) < 0) {
		return -EINVAL;
	} else if (size_parse(s, bytes) < 0) {
		return json_refuse(r,
		    "\"%.40s\" is not a size: write digits and K, M, G or T, such as \"10G\"", s);
	}
	if (*bytes < min || *bytes > max)
		return json_refuse(r,
		    "is out of range: give %s up to %s, with the unit, such as \"10G\"%s",
		    size_text_short(min, least), size_text_short(max, most),
		    unit ? " (a number means MiB)" : "");
	return 0;
}

/* ---- all of them ------------------------------------------------------------------------------*/

static void store(void *record, const struct vm_field *f, uint64_t value)
{
	void *member = (char *)record + f->member;

	if (!f->member)
		return;
	if (f->kind == VM_SIZE)
		*(uint64_t *)member = value;
	else if (f->kind == VM_FLAG)
		*(bool *)member = value;
	else
		*(unsigned *)member = (unsigned)value; /* an enum without negative values is one */
}

static int read_word(struct json_reader *r, const struct vm_field *f, json_t *value, void *record)
{
	int alias =
	    f->alias && json_is_string(value) ? word_index(f->alias, json_string_value(value)) : -1;
	unsigned i = (unsigned)alias;

	if (alias < 0 && json_want_word(r, value, f->word, &i) < 0)
		return -EINVAL;
	store(record, f, i);
	return 0;
}

int vm_field_read(struct json_reader *r, const struct vm_field *f, json_t *value, void *record)
{
	uint64_t bytes = 0;
	int64_t n = 0;
	bool flag = false;
	int rc = 0;

	switch (f->kind) {
	case VM_TEXT:
		return read_text(r, f, value, record);
	case VM_WORD:
		return read_word(r, f, value, record);
	case VM_STRUCTURED:
		if (f->read)
			return f->read(r, value);
		*(json_t **)((char *)record + f->member) = value;
		return 0;
	case VM_NUMBER:
		rc = json_want_integer(r, value, (int64_t)f->min, (int64_t)f->max, &n);
		break;
	case VM_SIZE:
		rc = vm_want_size(r, value, f->unit, f->min, f->max, &bytes);
		break;
	case VM_FLAG:
		rc = json_want_flag(r, value, &flag);
		break;
	}
	if (rc == 0)
		store(record, f,
		    f->kind == VM_SIZE   ? bytes
		    : f->kind == VM_FLAG ? flag
					 : (uint64_t)n);
	return rc;
}

void vm_field_set_builtin(void *record, const struct vm_field *f)
{
	if (f->builtin_text)
		*(const char **)((char *)record + f->member) = f->builtin_text;
	else if (f->kind != VM_TEXT && f->kind != VM_STRUCTURED)
		store(record, f, f->builtin);
}

json_t *vm_field_json(const struct vm_field *f, const void *record)
{
	const void *member = (const char *)record + f->member;
	const char *text;

	switch (f->kind) {
	case VM_TEXT:
		text = *(char *const *)member;
		return text ? json_string(text) : NULL;
	case VM_NUMBER:
		return json_integer(*(const unsigned *)member);
	case VM_SIZE:
		return json_integer((json_int_t) * (const uint64_t *)member);
	case VM_FLAG:
		return json_boolean(*(const bool *)member);
	case VM_WORD:
		return json_string(f->word(*(const unsigned *)member));
	case VM_STRUCTURED:
		break;
	}
	return json_incref(*(json_t *const *)member);
}

const struct vm_field *vm_field_find(const char *name)
{
	for (size_t i = 0; i < vm_field_count; i++)
		if (strcmp(vm_fields[i].name, name) == 0)
			return &vm_fields[i];
	return NULL;
}

const char *vm_field_text(const struct vm *vm, const char *name, char buf[VM_FIELD_TEXT_SIZE])
{
	const struct vm_field *f = vm_field_find(name);
	const void *member = f && f->member ? (const char *)vm + f->member : NULL;

	if (!member)
		return NULL;
	if (f->kind == VM_TEXT)
		return *(char *const *)member;
	if (f->kind == VM_WORD)
		return f->word(*(const unsigned *)member);
	if (f->kind == VM_FLAG)
		return *(const bool *)member ? "true" : "false";
	snprintf(buf, VM_FIELD_TEXT_SIZE, "%" PRIu64,
	    f->kind == VM_SIZE ? *(const uint64_t *)member : *(const unsigned *)member);
	return buf;
}

static json_t *text_value(const char *name, const char *text, struct err *e)
{
	json_t *value = json_string(text);

	if (!value)
		err_set(e, EINVAL, "\"%s\": what is given is not UTF-8", name);
	return value;
}

json_t *vm_field_value(const char *name, const char *text, struct err *e)
{
	const struct vm_field *f = vm_field_find(name);
	bool is_true = strcmp(text, "true") == 0;

	if (!f || f->kind == VM_STRUCTURED)
		err_set(e, EINVAL,
		    f ? "\"%s\" is more than one value: write it into the file"
		      : "\"%s\" is no field of a definition: see `vmlab reference`",
		    name);
	else if (f->kind == VM_NUMBER && vm_text_is(text, VM_DIGIT, 1, 9))
		return json_integer(strtol(text, NULL, 10));
	else if (f->kind == VM_NUMBER)
		err_set(e, EINVAL, "\"%s\": \"%.40s\" is no number", name, text);
	else if (f->kind != VM_FLAG)
		return text_value(name, text, e);
	else if (is_true || strcmp(text, "false") == 0)
		return json_boolean(is_true);
	else
		err_set(e, EINVAL, "\"%s\" is true or false", name);
	return NULL;
}
