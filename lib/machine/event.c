#include "lib/machine/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

#define EVENT_ROW(id, word, ...) [EVENT_##id] = {.name = word, __VA_ARGS__},
static const struct event_info kinds[] = {EVENT_KINDS(EVENT_ROW)};
#define COUNT (sizeof(kinds) / sizeof(kinds[0]))

const struct event_info *event_info(enum event_kind kind)
{
	return &kinds[kind];
}

size_t event_kinds(void)
{
	return COUNT;
}

const struct event_info *event_info_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static const struct event_says *says(const struct event_info *info, const char *text)
{
	for (size_t i = 0; i < EVENT_SAYS_MAX && info->says[i].sentence; i++)
		if (!info->says[i].text || strcmp(info->says[i].text, text) == 0)
			return &info->says[i];
	return NULL;
}

const char *event_sentence(const struct event_info *info, const char *text)
{
	const struct event_says *s = says(info, text);

	return s ? s->sentence : NULL;
}

/* ---- severities -------------------------------------------------------------------------- */

static const struct {
	enum event_severity severity;
	const char *name;
} severities[] = {
    {EVENT_DEBUG, "debug"},
    {EVENT_INFO, "info"},
    {EVENT_WARNING, "warning"},
    {EVENT_ERROR, "error"},
};

enum event_severity event_severity(const struct event_info *info, const char *text)
{
	const struct event_says *s = says(info, text);

	return s ? s->severity : EVENT_DEBUG;
}

const char *event_severity_name(enum event_severity severity)
{
	for (size_t i = 0; i < sizeof(severities) / sizeof(*severities); i++)
		if (severities[i].severity == severity)
			return severities[i].name;
	return "info";
}

int event_severity_parse(const char *name, enum event_severity *out)
{
	for (size_t i = 0; i < sizeof(severities) / sizeof(*severities); i++)
		if (strcmp(severities[i].name, name) == 0) {
			*out = severities[i].severity;
			return 0;
		}
	return -EINVAL;
}

/* ---- sources ----------------------------------------------------------------------------- */

void event_source(const char *word, const char *address, char out[EVENT_SOURCE_SIZE])
{
	char text[EVENT_SOURCE_SIZE];

	snprintf(text, sizeof(text), "%s%s%s", word, word[0] && address[0] ? " " : "", address);
	text_copy_clean(text, out, EVENT_SOURCE_SIZE);
}

const char *event_source_address(const char *source)
{
	const char *blank = strchr(source, ' ');
	const char *address = blank ? blank + 1 : source;

	return strpbrk(address, ":.") ? address : "";
}

size_t event_source_who(const char *source)
{
	return strcspn(source, " ");
}

/* ---- data -------------------------------------------------------------------------------- */

/* Cleaned, no control character is left: two characters are to be escaped. */
static size_t put_text(const char *text, char *out)
{
	char clean[EVENT_FIELD_TEXT_MAX + 1];
	size_t n = 0, len;
	int plain;

	text_copy_clean(text ? text : "", clean, sizeof(clean));
	out[n++] = '"';
	for (const char *p = clean; *p; p += len) {
		len = text_character(p, strlen(p), &plain);
		bool escaped = *p == '"' || *p == '\\';
		if (n + escaped + len > EVENT_FIELD_TEXT_MAX)
			break;
		if (escaped)
			out[n++] = '\\';
		memcpy(out + n, p, len);
		n += len;
	}
	out[n++] = '"';
	return n;
}

/* A name, four signs around it, and the longest number or text. */
#define ROOM(field)                                                                                \
	(strlen((field)->name) + 6 + ((field)->type == EVENT_TEXT ? EVENT_FIELD_TEXT_MAX + 1 : 20))

void event_data(
    const struct event_info *info, const struct event_value *values, char out[EVENT_DATA_SIZE])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; values && info->fields[i].name; i++) {
		const struct event_field *field = &info->fields[i];
		if (n + ROOM(field) > EVENT_DATA_SIZE)
			break;
		n += (size_t)snprintf(
		    out + n, EVENT_DATA_SIZE - n, "%c\"%s\":", i == 0 ? '{' : ',', field->name);
		if (field->type == EVENT_TEXT)
			n += put_text(values[i].text, out + n);
		else
			n += (size_t)snprintf(
			    out + n, EVENT_DATA_SIZE - n, "%" PRId64, values[i].number);
	}
	if (n > 0)
		memcpy(out + n, "}", 2);
}
