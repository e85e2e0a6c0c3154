/* cloudinit_users.h - inside of cloudinit.h: who may log in, and whose the written files are. Pure.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_CLOUDINIT_USERS_H
#define BOOT_HANDLER_DOCUMENTS_CLOUDINIT_USERS_H

#include <jansson.h>

/* Puts the definition's users into cloud-config `data`, one of which also gets the keys; the lab's
 * own user when it names none. */
void cloudinit_put_users(json_t *data, const json_t *doc, json_t *keys);

/* Puts the definition's files into `data`. cloud-init writes files before it makes users and
 * installs packages: those that could need one of them are deferred until then. */
void cloudinit_put_files(json_t *data, const json_t *doc);

#endif
