/* language.h - where in a user's own unattended file a value stands, and how it is written there so
 * that it means itself and nothing else. Pure.
 *
 * A language is a file with its row, and a line in UNATTENDED_LANGUAGES. A value that cannot be
 * written safely at its place is refused, never written as it is.
 */
#ifndef LIB_UNATTENDED_LANGUAGE_H
#define LIB_UNATTENDED_LANGUAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/base/err.h"

/* A placeholder, text[at..end) of the whole file. */
struct language_place {
	const char *text;
	size_t at, end, len;
};

struct language_value {
	const char *text;
	bool bare; /* a number, or true or false */
};

struct unattended_language {
	const char *name;
	const char *suffixes[3]; /* of files that are written in it; NULL-terminated */
	/* 0, or -EINVAL with a sentence that can follow the field's name. */
	int (*put)(
	    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e);
};

#define UNATTENDED_LANGUAGES(LANGUAGE)                                                             \
	LANGUAGE(language_preseed)                                                                 \
	LANGUAGE(language_kickstart)                                                               \
	LANGUAGE(language_yaml)                                                                    \
	LANGUAGE(language_xml)                                                                     \
	LANGUAGE(language_json)                                                                    \
	LANGUAGE(language_shell)

#define LANGUAGE_DECLARED(language) extern const struct unattended_language language;
UNATTENDED_LANGUAGES(LANGUAGE_DECLARED)

/* By the suffix of a file's name; NULL with a sentence that can follow the name. */
const struct unattended_language *language_of_file(const char *name, struct err *e);

/* ---- for languages ----------------------------------------------------------------------- */

/* Where a backslash means something: it would be the value's, or of the line's end behind none. */
#define LANGUAGE_BEHIND_BACKSLASH                                                                  \
	"stands behind a backslash, which would change what follows: put something between"

/* Where the line of text[at] starts. */
size_t language_line_start(const char *text, size_t at);

/* A shell's quoting between two places; see language_shell.c. */
enum shell_state { SHELL_BARE, SHELL_SINGLE, SHELL_DOUBLE, SHELL_COMMENT, SHELL_UNSURE };
enum shell_state shell_state_at(const char *text, size_t from, size_t at);
/* `expands`: what is in double quotes is expanded, as in a shell and not in kickstart's lines. */
int shell_put(enum shell_state state, bool expands, const char *value, FILE *f, struct err *e);

#endif
