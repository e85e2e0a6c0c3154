#include "lib/image/image_name.h"

#include <string.h>

bool image_name_valid(const char *name)
{
	size_t len = strlen(name);

	/* What the root of a file system may have is no image. */
	if (strcmp(name, "lost+found") == 0)
		return false;
	return len > 0 && len <= 64 && *name != '.' && *name != '_' && *name != '-' &&
	       *name != '+' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._+-") == len;
}
