#include "lib/image/os_release.h"

#include <stdio.h>
#include <string.h>

bool os_release_get(const char *text, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);
	bool found = false;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, key, key_len) != 0 || p[key_len] != '=')
			continue;
		const char *v = p + key_len + 1;
		size_t len = strcspn(v, "\n");
		if (len >= 2 && (*v == '"' || *v == '\'') && v[len - 1] == *v) {
			v++;
			len -= 2;
		}
		snprintf(out, size, "%.*s", (int)len, v);
		found = true;
	}
	return found;
}
