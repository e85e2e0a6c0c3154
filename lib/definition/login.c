#include "lib/definition/login.h"

#include <string.h>

bool vm_user_says(const json_t *user, const char *key)
{
	const json_t *value = json_object_get(user, key);

	if (!value || json_is_null(value) || json_is_false(value))
		return false;
	return !(json_is_string(value) && json_string_length(value) == 0) &&
	       !(json_is_array(value) && json_array_size(value) == 0);
}

/* cloud-init refuses keys for those without a home, and for who is sent on to another's name. */
static bool can_have_keys(const json_t *user)
{
	return json_is_string(user) ||
	       !(vm_user_says(user, "system") || vm_user_says(user, "no_create_home") ||
		   vm_user_says(user, "ssh_redirect_user"));
}

const json_t *vm_key_holder(const json_t *users)
{
	const json_t *user;
	size_t i;

	json_array_foreach(users, i, user)
		if (can_have_keys(user))
			return user;
	return NULL;
}

static const char *name_of(const json_t *user)
{
	const char *name =
	    json_string_value(json_is_object(user) ? json_object_get(user, "name") : user);

	return name ? name : "";
}

static void add_key(json_t *list, const json_t *key)
{
	size_t i;
	json_t *have;
	const char *text = json_string_value(key);

	if (!text || !text[0])
		return;
	json_array_foreach(list, i, have)
		if (json_equal(have, key))
			return;
	json_array_append_new(list, json_string(text));
}

void vm_keys_add(json_t *list, const json_t *keys)
{
	size_t i;
	json_t *key;

	json_array_foreach(keys, i, key)
		add_key(list, key);
}

json_t *vm_login_keys(const json_t *doc, const json_t *operators)
{
	json_t *list = json_array();

	add_key(list, json_object_get(doc, "ssh_key"));
	vm_keys_add(list, json_object_get(doc, "ssh_keys"));
	vm_keys_add(list, operators);
	return list;
}

bool vm_login_root(const json_t *users)
{
	const json_t *holder = vm_key_holder(users), *user;
	size_t i;

	json_array_foreach(users, i, user)
		if (strcmp(name_of(user), "root") == 0 &&
		    (user == holder || vm_user_says(user, "ssh_authorized_keys") ||
			vm_user_says(user, "ssh_import_id")))
			return true;
	return false;
}

enum vm_login vm_login(const json_t *doc, const char **user)
{
	const json_t *users = json_object_get(doc, "users"), *holder = vm_key_holder(users);

	*user = NULL;
	/* The guest knows what its distribution calls that one. */
	if (json_object_get(doc, "user_data") || strcmp(name_of(holder), "default") == 0)
		return VM_LOGIN_GUEST;
	if (!holder && json_array_size(users) > 0)
		return VM_LOGIN_NOBODY;
	*user = holder ? name_of(holder) : VM_LOGIN_LAB;
	return VM_LOGIN_USER;
}
