/* keys.h - the lab's SSH key, and the host keys of its VMs.
 *
 *	<home>/id_ed25519            made on first use, with its .pub
 *	<home>/authorized_keys       what every VM's user accepts: the lab key; add your own lines
 *	<home>/known_hosts/<lab>/<name>  the host keys that VM's cloud-init reported
 */
#ifndef VMLAB_LAB_KEYS_H
#define VMLAB_LAB_KEYS_H

#include <jansson.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "vmlab/lab/lab.h"

/* Makes what is missing. Sets *created when a new key was made. */
must_check int keys_ensure(const struct lab *lab, bool *created, struct err *e);

/* Says which lines of authorized_keys are no keys, and so let nobody in. */
void keys_warn(const struct lab *lab, FILE *f);

/* Caller frees; NULL without memory. */
char *keys_identity_path(const struct lab *lab);
char *keys_known_hosts_path(const struct lab *lab, const char *vm);
/* The name the host keys are filed under: the same before and after a change of address. */
char *keys_host_alias(const struct lab *lab, const char *vm);

#define KEYS_NONE 1

/* Writes the VM's known_hosts file from an array of public keys as the API reports them. A key
 * that is not "type base64" of a known type is left out. KEYS_NONE, and the file is left as it
 * was, when none is usable. */
must_check int keys_remember_host(
    const struct lab *lab, const char *vm, const json_t *public_keys, struct err *e);
void keys_forget_host(const struct lab *lab, const char *vm);
void keys_forget_hosts(const struct lab *lab);

/* Pure: the file's text; caller frees. NULL when no key is usable. */
char *keys_render_known_hosts(const char *alias, const json_t *public_keys);

#endif
