#include "os_installer/bootloader/release.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/image/os_release.h"
#include "os_installer/system/tree.h"

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
	if (tree_read(tree, "/etc/os-release", OS_RELEASE_MAX_BYTES, &text, &len, NULL) < 0)
		return;
	os_release_get(text, "ID", out->id, sizeof(out->id));
	os_release_get(text, "PRETTY_NAME", out->title, sizeof(out->title));
	os_release_get(text, "ID_LIKE", like, sizeof(like));
	if (!id_valid(out->id))
		strcpy(out->id, "linux");
	out->debian = strcmp(out->id, "debian") == 0 || strstr(like, "debian");
}
