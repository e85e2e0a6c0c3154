#include "vmlab/image/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_root(const char *path)
{
	static const char *const parts[] = {"usr", "bin", "etc", "lib", "sbin", "var", "boot"};
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strlen(parts[i]) == len && !memcmp(parts[i], path, len))
			return true;
	return false;
}

int image_top_note(struct image_top *t, const char *path, struct err *e)
{
	while (!strncmp(path, "./", 2) || *path == '/')
		path += *path == '/' ? 1 : 2;
	size_t len = strcspn(path, "/");
	if (len == 0 || !strcmp(path, ".") || t->several)
		return 0;
	t->root_like |= path[len] == '/' && is_of_root(path + len + 1);
	if (!t->name) {
		t->name = strndup(path, len);
		return t->name ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	t->several = strlen(t->name) != len || memcmp(t->name, path, len) != 0;
	return 0;
}

int image_top_check(const struct image_top *t, struct err *e)
{
	if (t->several || !t->name || !t->root_like || !strcmp(t->name, "usr"))
		return 0;
	return err_set(e, EINVAL,
	    "everything in the tarball lies in one folder, %.80s/, and nothing at its top: pack what is in that folder, such as with tar -C %.80s -cf rootfs.tar .",
	    t->name, t->name);
}

void image_top_clear(struct image_top *t)
{
	free(t->name);
	t->name = NULL;
}
