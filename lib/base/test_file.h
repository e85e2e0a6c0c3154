/* test_file.h - for tests: files of a folder. */
#ifndef LIB_BASE_TEST_FILE_H
#define LIB_BASE_TEST_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Valid until it is called again. */
static inline const char *file_in(const char *dir, const char *name)
{
	static char path[200];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		abort();
	return path;
}

/* Writes in place, as an editor may: no rename. Makes the folders that `name` has before. */
static inline void write_in(const char *dir, const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%s", file_in(dir, name));
	for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		(void)mkdir(path, 0755);
	}
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

#endif
