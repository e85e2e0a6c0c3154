/* profiles.h - inside of store.h: the folder _profiles/ of vms/, read by the rules for definitions.
 *
 * A file that cannot be used keeps that profile's last good version. What changed makes those
 * definitions be read again that name it.
 */
#ifndef LIB_STORE_PROFILES_H
#define LIB_STORE_PROFILES_H

#include "lib/store/folder.h"

#define PROFILES_DIR "_profiles"

/* Looks at every profile; `dir` is the folder. Before the definitions are looked at. */
void vm_profiles_look(struct vm_folder *f, int dir);

/* Whether names came or went since, or the folder is another. Cheap. */
bool vm_profiles_touched(const struct vm_folder *f);

/* Puts a profile in force, or out of it (NULL); takes the reference over. */
void vm_profiles_set(struct vm_folder *f, const struct vm_file *file, json_t *fields);
/* What is in force, or NULL; borrowed. */
const json_t *vm_profiles_get(const struct vm_folder *f, const struct vm_file *file);

/* Takes over what was in force before the store opened. */
void vm_profiles_remember(struct vm_folder *f, json_t *profiles);

/* vm_base.profile for a definition of the folder: notes in the file that it names this one. */
struct vm_profile_user {
	const struct vm_folder *folder;
	struct vm_file *file;
};
const json_t *vm_profiles_find(void *user, const char *name, struct err *e);

void vm_profiles_close(struct vm_folder *f);

#endif
