#include "lib/machine/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENT_ROW(id, word, ...) [EVENT_##id] = {.name = word, __VA_ARGS__},
static const struct event_info kinds[] = {EVENT_KINDS(EVENT_ROW)};
#define COUNT (sizeof(kinds) / sizeof(kinds[0]))

const struct event_info *event_info(enum event_kind kind)
{
	return &kinds[kind];
}

const struct event_info *event_info_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const char *event_sentence(const struct event_info *info, const char *text)
{
	for (size_t i = 0; i < EVENT_SAYS_MAX && info->says[i].sentence; i++)
		if (!info->says[i].text || strcmp(info->says[i].text, text) == 0)
			return info->says[i].sentence;
	return NULL;
}

void event_data(const struct event_info *info, const int64_t *values, char out[EVENT_DATA_SIZE])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; info->fields[i] && n < EVENT_DATA_SIZE; i++)
		n += (size_t)snprintf(out + n, EVENT_DATA_SIZE - n, "%c\"%s\":%" PRId64 "%s",
		    i == 0 ? '{' : ',', info->fields[i], values[i], info->fields[i + 1] ? "" : "}");
}
