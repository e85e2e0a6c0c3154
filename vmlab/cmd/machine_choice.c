#include "vmlab/cmd/machine_choice.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TERM_SIZE 128

static const char *const keys[] = {"profile", "arch", "state"};

static const char *text_of(const json_t *machine, const char *key)
{
	const char *text = json_string_value(json_object_get(machine, key));

	return text ? text : "";
}

/* A member is a text, or a list of them. */
static bool has(const json_t *machine, const char *key, const char *pattern)
{
	const json_t *value = json_object_get(machine, key), *one;
	size_t i;

	json_array_foreach(value, i, one)
		if (json_is_string(one) && fnmatch(pattern, json_string_value(one), 0) == 0)
			return true;
	return json_is_string(value) && fnmatch(pattern, json_string_value(value), 0) == 0;
}

static bool fits(const json_t *machine, const char *term)
{
	size_t len = strcspn(term, "=");

	if (strcmp(term, "all") == 0)
		return true;
	for (size_t i = 0; term[len] && i < sizeof(keys) / sizeof(*keys); i++)
		if (strlen(keys[i]) == len && memcmp(term, keys[i], len) == 0)
			return has(machine, keys[i], term + len + 1);
	return fnmatch(term, text_of(machine, "name"), 0) == 0;
}

/* The next term, without what is before it; NULL: there are no more. */
static const char *next_term(const char **rest, char term[TERM_SIZE], bool *out)
{
	if (!**rest)
		return NULL;
	size_t len = strcspn(*rest, ",");
	const char *at = *rest;
	*rest += len;
	*rest += **rest == ',';
	*out = *at == '!';
	snprintf(term, TERM_SIZE, "%.*s", (int)(len - *out), at + *out);
	return term;
}

static int check(const char *expression, struct err *e)
{
	const char *rest = expression, *term;
	char buf[TERM_SIZE];
	bool out;

	if (!*expression)
		return err_set(e, EINVAL,
		    "it names no machine: write all, a name's pattern such as 'web*', or profile=NAME");
	while ((term = next_term(&rest, buf, &out))) {
		size_t len = strcspn(term, "="), i = 0;
		const size_t count = sizeof(keys) / sizeof(*keys);
		while (i < count && (strlen(keys[i]) != len || memcmp(term, keys[i], len) != 0))
			i++;
		if (!*term)
			return err_set(e, EINVAL, "a term of it is empty: \"%s\"", expression);
		if (term[len] && i == count)
			return err_set(e, EINVAL,
			    "machines are not chosen by \"%.*s\": by profile, arch, state or a name's pattern",
			    (int)len, term);
	}
	return 0;
}

/* One that only takes out begins with all. */
static bool is_meant(const json_t *machine, const char *expression)
{
	bool meant = *expression == '!', out;
	const char *rest = expression, *term;
	char buf[TERM_SIZE];

	while ((term = next_term(&rest, buf, &out)))
		if (fits(machine, term))
			meant = !out;
	return meant;
}

json_t *machine_choice(const json_t *machines, const char *expression, struct err *e)
{
	json_t *names = json_array();
	const json_t *one;
	size_t i;

	int r = check(expression, e);
	json_array_foreach(machines, i, one)
		if (r == 0 && strcmp(text_of(one, "kind"), "declared") == 0 &&
		    is_meant(one, expression))
			json_array_append(names, json_object_get(one, "name"));
	if (r == 0 && json_array_size(names) == 0)
		r = err_set(e, ENOENT, "no declared machine is \"%s\": `vmlab machines` lists them",
		    expression);
	if (r == 0)
		return names;
	json_decref(names);
	return NULL;
}
