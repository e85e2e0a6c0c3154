#include "lib/unattended/people.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/login.h"

/* What a user's lists are made of, freed after the call. */
struct lists {
	json_t *groups, *sudo, *keys;
};

static void append_text(json_t *list, const char *text, size_t len)
{
	while (len > 0 && *text == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (len > 0)
		json_array_append_new(list, json_stringn(text, len));
}

/* A list, or a text whose parts stand between `separator`s (NULL: it is one). */
static void append_all(json_t *list, const json_t *value, const char *separator)
{
	const char *text = json_string_value(value);
	const json_t *item;
	size_t i;

	json_array_foreach(value, i, item)
		if (json_is_string(item))
			append_text(list, json_string_value(item), json_string_length(item));
	while (text && *text) {
		size_t len = separator ? strcspn(text, separator) : strlen(text);

		append_text(list, text, len);
		text += len + (text[len] != '\0');
	}
}

static const char *text_of(const json_t *user, const char *key)
{
	const char *text = json_string_value(json_object_get(user, key));

	return text && text[0] ? text : NULL;
}

static int number_of(const json_t *user, const char *key)
{
	const json_t *value = json_object_get(user, key);

	if (json_is_integer(value))
		return (int)json_integer_value(value);
	return json_string_length(value) > 0 ? atoi(json_string_value(value)) : -1;
}

static void of_object(const json_t *user, struct unattended_user *u, struct lists *lists)
{
	u->gecos = text_of(user, "gecos");
	u->primary_group = text_of(user, "primary_group");
	u->homedir = text_of(user, "homedir");
	u->shell = text_of(user, "shell");
	u->expiredate = text_of(user, "expiredate");
	u->hash = text_of(user, "hashed_passwd");
	if (!u->hash)
		u->hash = text_of(user, "passwd");
	u->plain = text_of(user, "plain_text_passwd");
	u->uid = number_of(user, "uid");
	u->inactive = number_of(user, "inactive");
	u->locked = !json_is_false(json_object_get(user, "lock_passwd"));
	u->system = json_is_true(json_object_get(user, "system"));
	u->no_create_home = json_is_true(json_object_get(user, "no_create_home"));
	u->no_user_group = json_is_true(json_object_get(user, "no_user_group"));
	append_all(lists->groups, json_object_get(user, "groups"), ",");
	append_all(lists->sudo, json_object_get(user, "sudo"), NULL);
	vm_keys_add(lists->keys, json_object_get(user, "ssh_authorized_keys"));
}

static void of_lab(struct unattended_user *u, struct lists *lists)
{
	u->name = VM_LOGIN_LAB;
	u->gecos = "Lab user";
	u->shell = "/bin/bash";
	json_array_append_new(lists->sudo, json_string("ALL=(ALL) NOPASSWD:ALL"));
}

static const char *name_of(const json_t *user)
{
	return json_is_object(user) ? text_of(user, "name") : json_string_value(user);
}

/* `user` NULL: the definition has none. */
static int hand_on(const json_t *user, const json_t *keys,
    void (*one)(void *ctx, const struct unattended_user *user), void *ctx, struct err *e)
{
	struct unattended_user u = {
	    .name = name_of(user), .uid = -1, .inactive = -1, .locked = true};
	struct lists lists = {json_array(), json_array(), json_array()};

	if (!u.name || strcmp(u.name, "default") == 0)
		of_lab(&u, &lists);
	else if (json_is_object(user))
		of_object(user, &u, &lists);
	vm_keys_add(lists.keys, keys);
	u.groups = lists.groups;
	u.sudo = lists.sudo;
	u.keys = lists.keys;
	bool whole = u.groups && u.sudo && u.keys;
	if (whole)
		one(ctx, &u);
	json_decref(lists.groups);
	json_decref(lists.sudo);
	json_decref(lists.keys);
	return whole ? 0 : err_set(e, ENOMEM, "out of memory");
}

static const char *made_name(const json_t *user)
{
	const char *name = name_of(user);

	return !name || strcmp(name, "default") == 0 ? VM_LOGIN_LAB : name;
}

/* The first of a name counts. */
static bool is_again(const json_t *users, size_t index)
{
	const char *name = made_name(json_array_get(users, index));

	for (size_t i = 0; i < index; i++)
		if (strcmp(made_name(json_array_get(users, i)), name) == 0)
			return true;
	return false;
}

int unattended_each_user(const struct unattended_source *s,
    void (*one)(void *ctx, const struct unattended_user *user), void *ctx, struct err *e)
{
	const json_t *users = json_object_get(s->vm->more, "users"), *user;
	const json_t *holder = vm_key_holder(users);
	json_t *keys = vm_login_keys(s->vm->more, s->keys);
	int r = 0;
	size_t i;

	if (json_array_size(users) == 0)
		r = hand_on(NULL, keys, one, ctx, e);
	json_array_foreach(users, i, user)
		if (r == 0 && !is_again(users, i))
			r = hand_on(user, user == holder ? keys : NULL, one, ctx, e);
	json_decref(keys);
	return r;
}
