/* complete.h - what may stand where the cursor is on a command line. The shells' own scripts
 * (vmlab/completion/) call `vmlab __complete WORD...` and show what it prints.
 */
#ifndef VMLAB_CMD_COMPLETE_H
#define VMLAB_CMD_COMPLETE_H

#include <stdio.h>

#include "vmlab/lab/command.h"
#include "vmlab/lab/lab.h"

struct complete_source {
	const struct command *const *commands;
	size_t count;
	const char *global_help; /* a page with the options that every command takes */
	const char *vms_dir;     /* NULL: not known */
	const char *images_dir;  /* NULL: not known */
};

/* Prints candidates, "word<TAB>what it is" a line, for the last of `words`, which may be empty; the
 * others are what stands before it, without the program's name. Returns false when files of the
 * shell's own finding are what fits. Reads names of files, asks nobody. */
bool complete(
    const struct complete_source *source, size_t count, const char *const *words, FILE *out);

/* Makes "--vms", "=", "DIR", as bash splits it, two words. Returns the new count. */
size_t complete_join(size_t count, const char **words);

/* Fills what the words before the last say of the lab, as the command itself would take it: --vms,
 * --images, --lab, and the folder to work in; NULL: none. Paths are as typed, "~/" included. */
void complete_options(const struct complete_source *source, size_t count, const char *const *words,
    struct lab_options *lo, const char **folder);

/* The path, with "~/" made the user's home; caller frees. NULL without memory or path. */
char *complete_path(const char *typed);

#endif
