#include "os_installer/bootloader/release.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/system/tree.h"

#define MAX_BYTES (64U << 10)

/* Reads one value of os-release(5). */
static void os_release_get(const char *text, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

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
	}
}

static bool id_valid(const char *id)
{
	return id[0] >= 'a' && id[0] <= 'z' &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(id) &&
	       strcmp(id, RELEASE_STAGING_ID) != 0;
}

void release_read(int tree, struct release *out)
{
	_cleanup_free_ char *text = NULL;
	char like[100] = "";
	size_t len;

	*out = (struct release){.id = "linux", .title = "Linux"};
	if (tree_read(tree, "/etc/os-release", MAX_BYTES, &text, &len, NULL) < 0)
		return;
	os_release_get(text, "ID", out->id, sizeof(out->id));
	os_release_get(text, "PRETTY_NAME", out->title, sizeof(out->title));
	os_release_get(text, "ID_LIKE", like, sizeof(like));
	if (!id_valid(out->id))
		strcpy(out->id, "linux");
	out->debian = strcmp(out->id, "debian") == 0 || strstr(like, "debian");
}
