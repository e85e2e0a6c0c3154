/* language_kickstart.c - anaconda's answers: lines of words, and sections, of which some are
 * scripts. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <string.h>

#include "lib/unattended/shell.h"

enum section { COMMANDS, SCRIPT, OTHER };

static bool line_is(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0 && (line[n] == '\0' || strchr(" \t\r\n", line[n]));
}

/* The section of text[at], and where its content begins. */
static enum section section_at(const char *text, size_t at, size_t *from)
{
	static const char *const scripts[] = {
	    "%pre", "%pre-install", "%post", "%onerror", "%traceback"};
	enum section section = COMMANDS;

	*from = 0;
	for (size_t i = 0; i < at; i += strcspn(text + i, "\n") + 1) {
		const char *line = text + i;

		if (line[0] != '%' || line_is(line, "%include") || line_is(line, "%ksappend"))
			continue;
		section = line_is(line, "%end") ? COMMANDS : OTHER;
		for (size_t k = 0; k < sizeof(scripts) / sizeof(*scripts); k++)
			if (line_is(line, scripts[k]))
				section = SCRIPT;
		*from = i + strcspn(line, "\n");
	}
	return *from >= at ? COMMANDS : section;
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	size_t from, line = language_line_start(p->text, p->at);
	enum section section = section_at(p->text, p->at, &from);

	if (section == SCRIPT)
		return shell_put(shell_state_at(p->text, from, p->at), true, v->text, f, e);
	if (strchr(v->text, '\n'))
		return err_set(e, EINVAL,
		    "has more than one line, which kickstart takes in scripts only: use one line of it");
	if (section == OTHER && !*v->text)
		return 0;
	if (section == OTHER && !shell_is_plain(v->text))
		return err_set(e, EINVAL,
		    "has characters that cannot be quoted in this section: use it in a command or a script");
	return shell_put(shell_state_at(p->text, line, p->at), false, v->text, f, e);
}

const struct unattended_language language_kickstart = {
    .name = "kickstart", .suffixes = {".ks"}, .put = put};
