#include "vmlab/cmd/machine_choice.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/words.h"
#include "lib/machine/arch.h"
#include "lib/machine/machine.h"

#define TERM_SIZE 128

/* The recorded states, and what the server makes of them for the list
 * (boot_handler/state/outlook.h). */
static const char *state_word(size_t i)
{
	static const char *const more[] = {"waiting", "agent", "stalled", NULL};

	return i <= MACHINE_FAILED ? machine_state_name((enum machine_state)i)
				   : more[i - MACHINE_FAILED - 1];
}

static const struct key {
	const char *name;
	const char *what;              /* of which there is none */
	const char *(*word)(size_t i); /* all values that there are; NULL: any */
} keys[] = {
    {"profile", "profile", NULL},
    {"arch", "architecture", vm_arch_name},
    {"state", "state", state_word},
};

/* NULL: the term is a name's pattern, or has a key that is none. */
static const struct key *key_of(const char *term)
{
	size_t len = strcspn(term, "=");

	for (size_t i = 0; term[len] && i < sizeof(keys) / sizeof(*keys); i++)
		if (strlen(keys[i].name) == len && memcmp(term, keys[i].name, len) == 0)
			return &keys[i];
	return NULL;
}

static const char *value_of(const char *term)
{
	return strchr(term, '=') + 1;
}

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
	const struct key *key = key_of(term);

	if (strcmp(term, "all") == 0)
		return true;
	return key ? has(machine, key->name, value_of(term))
		   : fnmatch(term, text_of(machine, "name"), 0) == 0;
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

/* Whether the key can have such a value at all. */
static int check_value(const struct key *key, const char *pattern, struct err *e)
{
	char list[200];

	if (!key->word)
		return 0;
	for (size_t i = 0; key->word(i); i++)
		if (fnmatch(pattern, key->word(i), 0) == 0)
			return 0;
	return err_set(e, EINVAL, "there is no %s \"%s\": write %s", key->what, pattern,
	    word_list(key->word, "", list, sizeof(list)));
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
		const struct key *key = key_of(term);
		if (!*term)
			return err_set(e, EINVAL, "a term of it is empty: \"%s\"", expression);
		if (strchr(term, '=') && !key)
			return err_set(e, EINVAL,
			    "machines are not chosen by \"%.*s\": by profile, arch, state or a name's pattern",
			    (int)strcspn(term, "="), term);
		if (key && check_value(key, value_of(term), e) < 0)
			return -EINVAL;
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

static bool is_declared(const json_t *machine)
{
	return strcmp(text_of(machine, "kind"), "declared") == 0;
}

static bool fits_any(const json_t *machines, const char *term)
{
	const json_t *one;
	size_t i;

	json_array_foreach(machines, i, one)
		if (is_declared(one) && fits(one, term))
			return true;
	return false;
}

/* Why nobody is meant: a term that fits none, else those that were chosen are left out again. */
static int nobody(const json_t *machines, const char *expression, struct err *e)
{
	char buf[TERM_SIZE], last[TERM_SIZE] = "";
	const char *rest = expression, *term;
	bool out;

	if (!fits_any(machines, "all"))
		return err_set(e, ENOENT, "no machine is declared: `vmlab new web1` declares one");
	while ((term = next_term(&rest, buf, &out))) {
		const struct key *key = key_of(term);
		bool any = fits_any(machines, term);
		if (out && any)
			snprintf(last, sizeof(last), "%s", term);
		if (out || any)
			continue;
		return key ? err_set(e, ENOENT,
				 "no declared machine has the %s \"%s\": `vmlab ls` lists them",
				 key->what, value_of(term))
			   : err_set(e, ENOENT,
				 "no declared machine is \"%s\": `vmlab ls` lists them", term);
	}
	return *last
		   ? err_set(e, ENOENT,
			 "\"!%s\" leaves out all that \"%s\" chooses before it: drop it, or choose more",
			 last, expression)
		   : err_set(e, ENOENT, "no declared machine is \"%s\"", expression);
}

json_t *machine_choice(const json_t *machines, const char *expression, struct err *e)
{
	json_t *names = json_array();
	const json_t *one;
	size_t i;

	int r = check(expression, e);
	json_array_foreach(machines, i, one)
		if (r == 0 && is_declared(one) && is_meant(one, expression))
			json_array_append(names, json_object_get(one, "name"));
	if (r == 0 && json_array_size(names) == 0)
		r = nobody(machines, expression, e);
	if (r == 0)
		return names;
	json_decref(names);
	return NULL;
}
