#include "os_installer/system/script.h"

#include <stdio.h>
#include <string.h>

#include "lib/unattended/stage4.h"
#include "os_installer/base/command.h"
#include "os_installer/system/tree.h"

#define PLACE "/run/vmlab"

int script_put(
    int tree, const char *name, const char *text, char path[SCRIPT_PATH_SIZE], struct err *e)
{
	const char *library = stage4_library();
	int r;

	snprintf(path, SCRIPT_PATH_SIZE, PLACE "/%s", name);
	if ((r = tree_mkdirs(tree, PLACE, 0755, e)) < 0 ||
	    (r = tree_write(tree, COMMAND_STAGE4, library, strlen(library), 0644, e)) < 0)
		return r;
	return tree_write(tree, path, text, strlen(text), 0700, e);
}

struct script_words script_words(const char *text, const char *path)
{
	if (strncmp(text, "#!", 2) == 0)
		return (struct script_words){{path, NULL, NULL}};
	return (struct script_words){{"/bin/sh", path, NULL}};
}
