/* people.h - a definition's users as they are to be made, with everything that cloud-init lets them
 * say in one spelling. Pure.
 */
#ifndef LIB_UNATTENDED_PEOPLE_H
#define LIB_UNATTENDED_PEOPLE_H

#include "lib/unattended/format.h"

/* Texts are NULL, numbers negative and lists empty where nothing is said. Borrowed. */
struct unattended_user {
	const char *name, *gecos, *primary_group, *homedir, *shell, *expiredate;
	const char *hash, *plain; /* of a password; hash goes first */
	int uid, inactive;
	bool locked; /* the password is, whatever it is */
	bool system, no_create_home, no_user_group;
	const json_t *groups, *sudo, *keys; /* arrays of texts */
};

/* Calls one() for each user, in their order; without any in the definition for the user `lab`, who
 * may use sudo. The distribution's own "default" is `lab`, too. 0 or -ENOMEM. */
must_check int unattended_each_user(const struct unattended_source *s,
    void (*one)(void *ctx, const struct unattended_user *user), void *ctx, struct err *e);

#endif
