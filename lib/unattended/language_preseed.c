/* language_preseed.c - debian-installer's answers: a value goes to the end of its line as it is,
 * and that of a command is a shell's. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <string.h>

/* Lines that end with a backslash are one. */
static size_t answer_start(const char *text, size_t at)
{
	size_t start = language_line_start(text, at);

	while (start > 1 && text[start - 2] == '\\')
		start = language_line_start(text, start - 1);
	return start;
}

/* Behind "owner question type "; *command: the question is one that a shell answers. */
static size_t value_start(const char *text, size_t start, size_t at, bool *command)
{
	size_t i = start;

	*command = false;
	for (int word = 0; word < 3 && i < at; word++) {
		size_t begin = i += strspn(text + i, " \t");

		i += strcspn(text + i, " \t\n");
		if (word == 1)
			*command = i < at && memmem(text + begin, i - begin, "_command", 8);
	}
	return i < at ? i : at;
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	size_t len = strlen(v->text), start = answer_start(p->text, p->at);
	bool command;
	size_t value = value_start(p->text, start, p->at, &command);

	if (strchr(v->text, '\n'))
		return err_set(e, EINVAL,
		    "has more than one line, which preseed cannot say: use one line of it");
	if (p->at > 0 && p->text[p->at - 1] == '\\')
		return err_set(e, EINVAL, LANGUAGE_BEHIND_BACKSLASH);
	if (len > 0 && v->text[len - 1] == '\\')
		return err_set(e, EINVAL,
		    "ends with a backslash, which would join the line with the next: change the value");
	if (command && p->text[start] != '#')
		return shell_put(shell_state_at(p->text, value, p->at), true, v->text, f, e);
	fputs(v->text, f);
	return 0;
}

const struct unattended_language language_preseed = {
    .name = "preseed", .suffixes = {".cfg", ".preseed"}, .put = put};
