/* language_yaml.c - YAML, as autoinstall and cloud-init take it. Quotes end in the line that they
 * begin in. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/json/yaml_text.h"
#include "lib/unattended/shell.h"

/* What the quote at the place is: '"', '\\' where it is behind one, too, '\'', '#' in a comment, 0.
 */
static char quote_at(const char *text, size_t from, size_t at)
{
	char quote = 0, before = ':'; /* the last character that is no blank */

	for (size_t i = from; i < at; i++) {
		char c = text[i];

		if (quote == '"' && c == '\\') {
			if (++i == at)
				return '\\';
		} else if (quote) {
			quote = c == quote ? 0 : quote;
		} else if ((c == '"' || c == '\'') && strchr(":-[{,", before)) {
			quote = c;
		} else if (c == '#' && (i == from || strchr(" \t", text[i - 1]))) {
			return '#';
		}
		before = c == ' ' || c == '\t' ? before : c;
	}
	return quote;
}

/* True when it is all of a value: behind "key: ", "- ", or in a list on one line. */
static bool is_whole(const struct language_place *p, size_t line)
{
	size_t before = p->at, after = p->end;

	while (before > line && strchr(" \t", p->text[before - 1]))
		before--;
	if (before == line || !strchr(":-[{,", p->text[before - 1]) ||
	    (before == p->at && strchr(":-", p->text[before - 1])))
		return false;
	while (after < p->len && strchr(" \t\r", p->text[after]))
		after++;
	return after >= p->len || strchr("\n,]}", p->text[after]) ||
	       (p->text[after] == '#' && after > p->end);
}

static int put_string(const char *value, bool quotes, FILE *f, struct err *e)
{
	json_t *json = json_string(value);
	_cleanup_free_ char *text = json ? yaml_text(json) : NULL;

	json_decref(json);
	if (!text)
		return err_set(e, EINVAL, "is not UTF-8: change the value");
	fprintf(f, "%.*s", (int)(strlen(text) - (quotes ? 0 : 2)), text + (quotes ? 0 : 1));
	return 0;
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	size_t line = language_line_start(p->text, p->at);
	char quote = quote_at(p->text, line, p->at);

	if (quote == '"')
		return put_string(v->text, false, f, e);
	if (quote == '\\')
		return err_set(e, EINVAL, LANGUAGE_BEHIND_BACKSLASH);
	if (strchr(v->text, '\n') && (quote || !is_whole(p, line)))
		return err_set(e, EINVAL,
		    "has more than one line: let it be all of a value, or put it in double quotes");
	if (quote == '\'')
		for (const char *c = v->text; *c; c++) {
			if (*c == '\'')
				fputc('\'', f);
			fputc(*c, f);
		}
	else if (quote == '#' || (v->bare && is_whole(p, line)))
		fputs(v->text, f);
	else if (is_whole(p, line))
		return put_string(v->text, true, f, e);
	else if (!v->text[0] || shell_is_plain(v->text))
		fputs(v->text, f);
	else
		return err_set(e, EINVAL,
		    "stands inside of a text, and its value has characters that YAML may interpret: put the text in double quotes");
	return 0;
}

const struct unattended_language language_yaml = {
    .name = "YAML", .suffixes = {".yaml", ".yml"}, .put = put};
