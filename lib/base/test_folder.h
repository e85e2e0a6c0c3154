/* test_folder.h - a folder of a test program's own, removed with all that is in it. For tests only:
 * a cmocka group's setup and teardown, and what is done in between. */
#ifndef LIB_BASE_TEST_FOLDER_H
#define LIB_BASE_TEST_FOLDER_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"

static char test_folder[] = "/tmp/vmlab_test.XXXXXX";

/* Another path in the folder; the last four stay valid. */
static inline const char *at(const char *name)
{
	static char path[4][200];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", test_folder, name);
	return p;
}

static inline void put(const char *name, const char *text)
{
	if (atomic_file_replace(at(name), text, strlen(text), 0644, NULL) < 0)
		abort();
}

/* Others may look into it; vms/ is in it, empty. */
static inline int make_folder(void **state)
{
	(void)state;
	return mkdtemp(test_folder) && chmod(test_folder, 0755) == 0 && mkdir(at("vms"), 0755) == 0
		   ? 0
		   : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline int remove_folder(void **state)
{
	(void)state;
	return nftw(test_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
