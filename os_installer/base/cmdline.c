#include "os_installer/base/cmdline.h"

#include <ctype.h>
#include <string.h>

/* Copies one word without its quotes; returns where it ended. */
static const char *word_read(const char *p, char *out, size_t size, bool *fits)
{
	bool quoted = false;
	size_t used = 0;

	*fits = true;
	for (; *p && (quoted || !isspace((unsigned char)*p)); p++) {
		if (*p == '"') {
			quoted = !quoted;
		} else if (used + 1 < size) {
			out[used++] = *p;
		} else {
			*fits = false;
		}
	}
	out[used] = '\0';
	return p;
}

bool cmdline_get(const char *text, const char *key, char *out, size_t size)
{
	char word[4096];
	size_t key_len = strlen(key);
	bool found = false;

	for (const char *p = text; *p;) {
		bool fits;
		while (isspace((unsigned char)*p))
			p++;
		p = word_read(p, word, sizeof(word), &fits);
		if (!fits || strncmp(word, key, key_len) != 0 || word[key_len] != '=')
			continue;
		const char *value = word + key_len + 1;
		if (strlen(value) >= size)
			continue;
		strcpy(out, value);
		found = true;
	}
	return found;
}
