/* language_json.c - JSON, as agama and Ignition take it. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

/* *escaped: behind a backslash, too. */
static bool in_string(const char *text, size_t at, bool *escaped)
{
	bool inside = false;

	*escaped = false;
	for (size_t i = 0; i < at; i++)
		if (inside && text[i] == '\\')
			*escaped = ++i == at;
		else
			inside ^= text[i] == '"';
	return inside;
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	bool escaped, inside = in_string(p->text, p->at, &escaped);
	json_t *json = json_string(v->text);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;

	json_decref(json);
	if (escaped)
		return err_set(e, EINVAL, LANGUAGE_BEHIND_BACKSLASH);
	if (!text)
		return err_set(e, EINVAL, "is not UTF-8: change the value");
	if (v->bare && !inside)
		fputs(v->text, f);
	else
		fprintf(f, "%.*s", (int)(strlen(text) - (inside ? 2 : 0)), text + (inside ? 1 : 0));
	return 0;
}

const struct unattended_language language_json = {
    .name = "JSON", .suffixes = {".json"}, .put = put};
