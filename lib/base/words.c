#include "lib/base/words.h"

#include <stdio.h>
#include <string.h>

int word_index(const char *(*word)(size_t i), const char *text)
{
	for (size_t i = 0; word(i); i++)
		if (strcmp(word(i), text) == 0)
			return (int)i;
	return -1;
}

const char *word_list(const char *(*word)(size_t i), const char *quote, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; word(i) && at < size; i++) {
		const char *glue = i == 0 ? "" : word(i + 1) ? ", " : " or ";
		at +=
		    (size_t)snprintf(out + at, size - at, "%s%s%s%s", glue, quote, word(i), quote);
	}
	return out;
}
