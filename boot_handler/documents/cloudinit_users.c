#include "boot_handler/documents/cloudinit_users.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/login.h"

/* ---- users ------------------------------------------------------------------------------- */

/* cloud-init's schema wants at least one, where there is the list at all. */
static void set_keys(json_t *user, const json_t *keys)
{
	if (json_array_size(keys) > 0)
		json_object_set(user, "ssh_authorized_keys", (json_t *)keys);
	else
		json_object_del(user, "ssh_authorized_keys");
}

static json_t *default_users(const json_t *keys)
{
	json_t *user = json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", VM_LOGIN_LAB, "gecos",
	    "Lab user", "sudo", "ALL=(ALL) NOPASSWD:ALL", "shell", "/bin/bash", "lock_passwd", 1);

	set_keys(user, keys);
	return json_pack("[o]", user);
}

/* A value that says nothing is left out: what it would mean differs from key to key. */
static void drop_empty(json_t *user)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(user, next, key, value) {
		bool empty = json_is_null(value) ||
			     (json_is_string(value) && json_string_length(value) == 0) ||
			     (json_is_array(value) && json_array_size(value) == 0);
		if (empty)
			json_object_del(user, key);
	}
}

/* cloud-init takes several rules as a list, but its older schema does not: sudoers(5) joins the
 * rules of one user by colons. */
static void join_rules(json_t *user)
{
	json_t *rules = json_object_get(user, "sudo");
	json_t *text = json_string("");
	const json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule) {
		json_t *longer = json_sprintf(
		    "%s%s%s", json_string_value(text), i > 0 ? " : " : "", json_string_value(rule));
		json_decref(text);
		text = longer;
	}
	json_object_set_new(user, "sudo", text);
}

/* What cloud-init would take, but its schema calls deprecated or wrong. */
static void put_right(json_t *user)
{
	const json_t *uid = json_object_get(user, "uid");
	const json_t *inactive = json_object_get(user, "inactive");
	json_t *import = json_object_get(user, "ssh_import_id");

	drop_empty(user);
	if (json_is_array(json_object_get(user, "sudo")))
		join_rules(user);
	else if (json_is_false(json_object_get(user, "sudo")))
		json_object_del(user, "sudo");
	if (json_is_string(uid))
		json_object_set_new(user, "uid", json_integer(atoll(json_string_value(uid))));
	if (json_is_integer(inactive))
		json_object_set_new(user, "inactive",
		    json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(inactive)));
	if (json_is_string(import))
		json_object_set_new(user, "ssh_import_id", json_pack("[O]", import));
}

static void give_keys(json_t *data, json_t *users, json_t *keys)
{
	const json_t *holder = vm_key_holder(users);
	size_t at = 0;

	while (at < json_array_size(users) && json_array_get(users, at) != holder)
		at++;
	json_t *user = json_array_get(users, at);

	if (json_is_object(user)) {
		json_t *list = json_array();

		vm_keys_add(list, json_object_get(user, "ssh_authorized_keys"));
		vm_keys_add(list, keys);
		set_keys(user, list);
		json_decref(list);
	} else if (user && json_array_size(keys) > 0 &&
		   strcmp(json_string_value(user), "default") == 0) {
		/* The distribution's own user gets the keys of the top level. */
		json_object_set(data, "ssh_authorized_keys", keys);
	} else if (user && json_array_size(keys) > 0) {
		json_array_set_new(
		    users, at, json_pack("{s:O, s:O}", "name", user, "ssh_authorized_keys", keys));
	}
}

void cloudinit_put_users(json_t *data, const json_t *doc, json_t *keys)
{
	json_t *users = json_deep_copy(json_object_get(doc, "users"));
	json_t *user;
	size_t i;

	if (json_array_size(users) == 0) {
		json_decref(users);
		json_object_set_new(data, "users", default_users(keys));
		return;
	}
	json_array_foreach(users, i, user)
		if (json_is_object(user))
			put_right(user);
	give_keys(data, users, keys);
	json_object_set_new(data, "users", users);
}

/* ---- files ------------------------------------------------------------------------------- */

static bool is_roots(const char *owner)
{
	static const char *const roots[] = {"", "root", "root:root", "root:", "0", "0:0"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (strcmp(owner, roots[i]) == 0)
			return true;
	return false;
}

/* A home directory that is there before its user would stay root's, and empty. */
static bool in_a_home(const char *path, const json_t *users)
{
	const json_t *user;
	size_t i;

	if (strncmp(path, "/home/", 6) == 0)
		return true;
	json_array_foreach(users, i, user) {
		const char *home = json_string_value(json_object_get(user, "homedir"));
		size_t len = home ? strlen(home) : 0;

		while (len > 1 && home[len - 1] == '/')
			len--;
		if (len > 1 && strncmp(path, home, len) == 0 && path[len] == '/')
			return true;
	}
	return false;
}

static const char *path_of(const json_t *file)
{
	const char *path = json_string_value(json_object_get(file, "path"));

	return path ? path : "";
}

static bool must_wait(const json_t *file, const json_t *users)
{
	const char *owner = json_string_value(json_object_get(file, "owner"));

	return (owner && !is_roots(owner)) || in_a_home(path_of(file), users);
}

static bool says_defer(const json_t *file)
{
	return json_is_boolean(json_object_get(file, "defer"));
}

/* What is written to one path is written in its order. */
static bool follows_a_deferred(const json_t *files, size_t index)
{
	const char *path = path_of(json_array_get(files, index));

	for (size_t i = 0; i < index; i++) {
		const json_t *file = json_array_get(files, i);
		if (json_is_true(json_object_get(file, "defer")) &&
		    strcmp(path, path_of(file)) == 0)
			return true;
	}
	return false;
}

void cloudinit_put_files(json_t *data, const json_t *doc)
{
	json_t *files = json_deep_copy(json_object_get(doc, "write_files"));
	const json_t *users = json_object_get(doc, "users");
	json_t *file;
	size_t i;

	json_array_foreach(files, i, file) {
		drop_empty(file);
		if (!json_object_get(file, "content") && !json_object_get(file, "source"))
			json_object_set_new(file, "content", json_string(""));
		if (!says_defer(file) && (must_wait(file, users) || follows_a_deferred(files, i)))
			json_object_set_new(file, "defer", json_true());
	}
	if (json_array_size(files) > 0)
		json_object_set(data, "write_files", files);
	json_decref(files);
}
