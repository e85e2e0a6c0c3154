/* script.h - a script of the user's as a file in a tree, and the helpers beside it that it may
 * read.
 */
#ifndef OS_INSTALLER_SYSTEM_SCRIPT_H
#define OS_INSTALLER_SYSTEM_SCRIPT_H

#include <stddef.h>

#include "lib/base/err.h"

#define SCRIPT_PATH_SIZE 64

/* In the tree's /run, which is in memory. `name` is the file's; `path` becomes what to run it by,
 * in the tree. */
must_check int script_put(
    int tree, const char *name, const char *text, char path[SCRIPT_PATH_SIZE], struct err *e);

/* The words to run it with: by sh, unless a #! line says something else. */
struct script_words {
	const char *argv[3];
};
struct script_words script_words(const char *text, const char *path);

#endif
