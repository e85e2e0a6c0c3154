/* login.h - who can log in to a machine with the lab's keys, as its definition says it. Pure.
 *
 * The one place that decides it: what cloud-init is told, what the API names and whom `vmlab ssh`
 * tries.
 */
#ifndef LIB_DEFINITION_LOGIN_H
#define LIB_DEFINITION_LOGIN_H

#include <jansson.h>
#include <stdbool.h>

/* The user made when a definition names none. */
#define VM_LOGIN_LAB "lab"

enum vm_login {
	VM_LOGIN_USER,   /* *user */
	VM_LOGIN_NOBODY, /* none of the definition's users can have keys */
	VM_LOGIN_GUEST,  /* only the guest can tell: the distribution's own user, or a user_data */
};

/* `doc` has a definition's fields, NULL counts as one that says nothing. *user is borrowed, NULL
 * unless VM_LOGIN_USER. */
enum vm_login vm_login(const json_t *doc, const char **user);

/* Which of a definition's "users" gets the lab's SSH keys: the first that cloud-init lets have any;
 * NULL: nobody, or there is no list. Borrowed. */
const json_t *vm_key_holder(const json_t *users);

/* Appends those public keys of the array that are not in the list yet. */
void vm_keys_add(json_t *list, const json_t *keys);

/* The keys of a definition's top level and the operator's, each once. A new reference. */
json_t *vm_login_keys(const json_t *doc, const json_t *operators);

/* True when one of "users" is root, to log in as: it gets the lab's keys, or has some of its own.
 * cloud-init forbids every key of root's unless told otherwise. */
bool vm_login_root(const json_t *users);

/* True when the user has the member with a value that says something. */
bool vm_user_says(const json_t *user, const char *key);

#endif
