#include "lib/unattended/language.h"

#include <errno.h>
#include <string.h>

#define LISTED(language) &language,
static const struct unattended_language *const languages[] = {UNATTENDED_LANGUAGES(LISTED)};
#define COUNT (sizeof(languages) / sizeof(*languages))

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && strcmp(name + len - n, suffix) == 0;
}

const struct unattended_language *language_of_file(const char *name, struct err *e)
{
	char list[120] = "";

	for (size_t i = 0; i < COUNT; i++)
		for (const char *const *s = languages[i]->suffixes; *s; s++) {
			size_t used = strlen(list);
			if (ends_with(name, *s))
				return languages[i];
			snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", *s);
		}
	err_set(e, EINVAL, "has no ending that tells its language: give it one of %s", list);
	return NULL;
}

size_t language_line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}
