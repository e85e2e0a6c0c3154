/* user_data.c - reader of "user_data", the user's own document for cloud-init: whether
 * cloud-init takes it, and what of the definition it makes void. cloud-init: "User-data formats".
 */
#include "lib/definition/field.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/definition/login.h"
#include "lib/definition/yaml_glance.h"

#define MIME_LOOKS_AT_BYTES 4096

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what a text is
 * ----------------------------------------------------------------------------*/

/* As Python's str.lstrip() does, for ASCII. */
static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char)*text) || (*text >= 0x1c && *text <= 0x1f))
		text++;
	return text;
}

static bool begins_with(const char *text, const char *const *starts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncasecmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static const char jinja[] = "## template: jinja";

/* A template is one only from the first byte on, and what it yields must be of these kinds. */
static bool is_template(const char *text)
{
	static const char *const starts[] = {"#!", "#cloud-config", "#cloud-boothook"};
	size_t first_line = strcspn(text, "\n");
	size_t len = first_line;

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	return len == strlen(jinja) && strncasecmp(text, jinja, len) == 0 && text[first_line] &&
	       begins_with(skip_blanks(text + first_line), starts, COUNT(starts));
}

static bool is_mime(const char *text)
{
	static const char field[] = "mime-version:";
	size_t len = strnlen(text, MIME_LOOKS_AT_BYTES);

	for (size_t i = 0; i + strlen(field) <= len; i++)
		if (strncasecmp(text + i, field, strlen(field)) == 0)
			return true;
	return false;
}

/* A text that is cloud-config as it stands. */
static bool is_cloud_config(const char *text)
{
	static const char start[] = "#cloud-config";
	const char *begin = skip_blanks(text);

	return !is_mime(text) && strncasecmp(begin, start, strlen(start)) == 0 &&
	       (!begin[strlen(start)] || isspace((unsigned char)begin[strlen(start)]));
}

/* ---- whom it lets in
 * ---------------------------------------------------------------------------*/

/* What a document says of users. */
struct people {
	bool listed;   /* it has "users" */
	bool defaults; /* one is the distribution's own, who gets the keys of the definition and the
			  lab */
	bool keys;     /* one has keys of its own */
	bool root_open; /* root gets the keys, too */
	bool keys_text; /* the top level's "ssh_authorized_keys" is a text, where a list is due */
};

static bool is_default(const json_t *user)
{
	const char *name =
	    json_string_value(json_is_object(user) ? json_object_get(user, "name") : user);

	return name && strstr(name, "default");
}

static bool is_truly_false(const json_t *value)
{
	const char *s = json_string_value(value);

	return json_is_false(value) ||
	       (s && (strcasecmp(s, "false") == 0 || strcasecmp(s, "no") == 0 ||
			 strcasecmp(s, "off") == 0 || strcmp(s, "0") == 0));
}

static struct people people_of_object(const json_t *config)
{
	const json_t *users = json_object_get(config, "users"), *user;
	struct people p = {.listed = users != NULL,
	    .defaults =
		json_object_get(config, "user") || is_default(users) || json_is_object(users),
	    .root_open = is_truly_false(json_object_get(config, "disable_root")),
	    .keys_text = json_is_string(json_object_get(config, "ssh_authorized_keys"))};
	size_t i;

	json_array_foreach(users, i, user) {
		p.defaults = p.defaults || is_default(user);
		p.keys = p.keys || vm_user_says(user, "ssh_authorized_keys") ||
			 vm_user_says(user, "ssh-authorized-keys") ||
			 vm_user_says(user, "ssh_import_id");
	}
	return p;
}

/* Wherever in the value: a glance tells too little rather than too much. */
static bool value_has(const struct yaml_key *key, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; key && i + len <= key->value_len; i++)
		if (strncasecmp(key->value + i, word, len) == 0)
			return true;
	return false;
}

/* "key: text" on one line. */
static bool is_one_text(const struct yaml_key *key)
{
	size_t blanks = key ? strspn(key->value, ": \t") : 0;

	return key && key->value[blanks] && !strchr("[{&*!|>#\r\n", key->value[blanks]);
}

static struct people people_of_text(const struct yaml_glance *glance)
{
	const struct yaml_key *users = yaml_glance_key(glance, "users");
	const struct yaml_key *disabled = yaml_glance_key(glance, "disable_root");

	return (struct people){.listed = users != NULL,
	    .defaults = yaml_glance_key(glance, "user") || value_has(users, "default") ||
			value_has(users, "*"),
	    .keys = value_has(users, "ssh_authorized_keys") ||
		    value_has(users, "ssh-authorized-keys") || value_has(users, "ssh_import_id"),
	    .root_open = value_has(disabled, "false") || value_has(disabled, "no") ||
			 value_has(disabled, "off"),
	    .keys_text = is_one_text(yaml_glance_key(glance, "ssh_authorized_keys"))};
}

static void check_people(struct json_reader *r, const struct people *p)
{
	if (p->keys_text)
		json_warn(r,
		    "has one text as \"ssh_authorized_keys\", of which cloud-init takes each letter for a key: make it a list");
	if (p->listed && !p->defaults && !p->root_open && !p->keys)
		json_warn(r,
		    "lists \"users\" without SSH keys, and without \"default\", who would get those of the lab and of \"ssh_keys\": nobody can log in with a key; add \"default\", or \"ssh_authorized_keys\" to one of them");
}

/* ---- what it says
 * ------------------------------------------------------------------------------*/

static void check_object(struct json_reader *r, const json_t *config)
{
	struct people p = people_of_object(config);

	check_people(r, &p);
}

/* A warning that cloud-init leaves out all of it. */
static void warn_void(struct json_reader *r, const char *what)
{
	json_warn(r, "%s: cloud-init would ignore all of it", what);
}

static void check_text(struct json_reader *r, const char *text)
{
	struct yaml_glance glance;
	char what[200];
	json_t *json;

	if (!is_cloud_config(text))
		return;
	const char *body = text + strcspn(text, "#");
	body += strcspn(body, "\n");
	if ((json = json_loads(body, 0, NULL))) {
		struct people p = people_of_object(json);
		if (!json_is_object(json))
			warn_void(r, "is a list, where cloud-config has keys and their values");
		check_people(r, &p);
		json_decref(json);
		return;
	}
	yaml_glance(text, &glance);
	struct people p = people_of_text(&glance);
	snprintf(what, sizeof(what), "is not YAML: in its line %d %s", glance.line, glance.why);
	if (glance.kind == YAML_BROKEN)
		warn_void(r, what);
	else if (glance.kind == YAML_LIST || glance.kind == YAML_SCALAR)
		warn_void(r, glance.kind == YAML_LIST
				 ? "is a list, where cloud-config has keys and their values"
				 : "is one text, where cloud-config has keys and their values");
	else if (glance.kind == YAML_MAPPING)
		check_people(r, &p);
}

/* ---- the field
 * ---------------------------------------------------------------------------------*/

/* cloud-init tells by the beginning what a text is (handlers/__init__.py), and MIME by its header.
 */
int vm_read_user_data(struct json_reader *r, json_t *value)
{
	static const char *const starts[] = {
	    "#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler"};
	const char *text = json_string_value(value);

	if (json_is_object(value)) {
		check_object(r, value);
		return 0;
	}
	if (!text)
		return json_refuse(r,
		    "must be a cloud-config object, or a text beginning with a line such as \"#cloud-config\" or \"#!/bin/sh\"");
	if (strlen(text) != json_string_length(value))
		return json_refuse(r, "must be text without NUL bytes");
	if (is_mime(text) || begins_with(skip_blanks(text), starts, COUNT(starts)) ||
	    is_template(text)) {
		check_text(r, text);
		return 0;
	}
	if (begins_with(skip_blanks(text), (const char *const[]){"## template"}, 1))
		return json_refuse(r,
		    "would be ignored by cloud-init: a template's very first line is \"%s\", the next \"#cloud-config\" or \"#!/bin/sh\"",
		    jinja);
	return json_refuse(r,
	    "would be ignored by cloud-init: begin the text with a line such as \"#cloud-config\" or \"#!/bin/sh\", spelled exactly so");
}

/* ---- beside other fields
 * -----------------------------------------------------------------------*/

static bool says_something(const json_t *value)
{
	return json_is_array(value) ? json_array_size(value) > 0 : !json_absent(value);
}

void vm_check_user_data(struct json_reader *r, const json_t *definition)
{
	static const char *const replaced[] = {"users", "packages", "write_files", "runcmd"};
	char list[100] = "";

	if (!json_object_get(definition, "user_data"))
		return;
	for (size_t i = 0; i < COUNT(replaced); i++) {
		size_t used = strlen(list);
		if (says_something(json_object_get(definition, replaced[i])))
			snprintf(list + used, sizeof(list) - used, "%s\"%s\"", used ? ", " : "",
			    replaced[i]);
	}
	if (!list[0])
		return;
	json_enter(r, "user_data");
	json_warn(r,
	    "takes the place of %s, without effect now: move that into it, or remove either", list);
	json_leave(r);
}
