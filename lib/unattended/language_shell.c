/* language_shell.c - POSIX shell scripts. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <string.h>

#include "lib/unattended/shell.h"

static bool starts_word(const char *text, size_t from, size_t i)
{
	return i == from || strchr(" \t\n;&|(", text[i - 1]);
}

/* In a here-document, in a command inside of double quotes and in $'…', which not every shell has,
 * it is not known what a quote means without being the shell itself. */
enum shell_state shell_state_at(const char *text, size_t from, size_t at)
{
	enum shell_state state = SHELL_BARE;

	for (size_t i = from; i < at; i++) {
		char c = text[i], next = i + 1 < at ? text[i + 1] : '\0';

		if (state == SHELL_COMMENT) {
			state = c == '\n' ? SHELL_BARE : state;
		} else if (state == SHELL_SINGLE) {
			state = c == '\'' ? SHELL_BARE : state;
		} else if (c == '\\') {
			if (++i == at)
				return SHELL_UNSURE; /* it would be of the value */
		} else if (c == '`' || (state == SHELL_BARE && c == '<' && next == '<') ||
			   (state == SHELL_BARE && c == '$' && next == '\'') ||
			   (c == '$' && i + 1 == at) ||
			   (state == SHELL_DOUBLE && c == '$' && next && strchr("({", next))) {
			return SHELL_UNSURE;
		} else if (c == '"') {
			state = state == SHELL_DOUBLE ? SHELL_BARE : SHELL_DOUBLE;
		} else if (state == SHELL_BARE && c == '\'') {
			state = SHELL_SINGLE;
		} else if (state == SHELL_BARE && c == '#' && starts_word(text, from, i)) {
			state = SHELL_COMMENT;
		}
	}
	return state;
}

/* Inside of the quotes that stand around it. */
static void put_quoted(const char *value, const char *escaped, FILE *f)
{
	for (const char *p = value; *p; p++) {
		if (strchr(escaped, *p))
			fputc('\\', f);
		fputc(*p, f);
	}
}

static void put_single(const char *value, FILE *f)
{
	for (const char *p = value; *p; p++)
		if (*p == '\'')
			fputs("'\\''", f);
		else
			fputc(*p, f);
}

int shell_put(enum shell_state state, bool expands, const char *value, FILE *f, struct err *e)
{
	bool one_line = !strchr(value, '\n');

	if (shell_is_plain(value) || (state == SHELL_COMMENT && one_line)) {
		fputs(value, f);
		return 0;
	}
	switch (state) {
	case SHELL_BARE:
		shell_word(f, value);
		return 0;
	case SHELL_SINGLE:
		put_single(value, f);
		return 0;
	case SHELL_DOUBLE:
		put_quoted(value, expands ? "\\\"$`" : "\\\"", f);
		return 0;
	case SHELL_COMMENT:
	case SHELL_UNSURE:
		break;
	}
	return err_set(e, EINVAL,
	    "stands behind a here-document, a backquote, a backslash, $, $' or a command inside of double quotes, and its value has characters that a shell interprets: set a variable to it in the first lines, and use that");
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	return shell_put(shell_state_at(p->text, 0, p->at), true, v->text, f, e);
}

const struct unattended_language language_shell = {
    .name = "shell", .suffixes = {".sh"}, .put = put};
