/* claims.h - inside of store.h: no two machines with one name, MAC, address, UUID or serial.
 *
 * Addresses are those of "ip" and "ipv6", and of network_config those inside the lab's network.
 *
 * The first holder keeps what it has and the newcomer is refused, naming both files. Newcomers of
 * one batch come in order of change time, then of file name, so that every program that watches
 * the folder decides alike. When the store opens, files that held their claims before, as the
 * memory of another program tells, keep them; of others that collide then, all are refused until
 * one of them changes or goes. Definitions that trade their claims in one batch are accepted
 * together.
 */
#ifndef LIB_STORE_CLAIMS_H
#define LIB_STORE_CLAIMS_H

#include "lib/store/folder.h"

/* Decides over every pending definition. Call after each batch of changes. */
void vm_claims_settle(struct vm_folder *f);

/* Enter or remove a file's serving definition; vm_file_serve() calls them. */
void vm_claims_add(struct vm_folder *f, struct vm_file *file);
void vm_claims_remove(struct vm_folder *f, struct vm_file *file);

/* Of that, what goes on counting though it is in force nowhere: *out is lines of that text, the
 * caller's, or NULL when nothing does. Returns 0 or -ENOMEM. */
must_check int vm_claims_kept(const struct vm_folder *f, char **out);

/* Takes in what vm_holders_text() wrote: who held what before the store opened, and
 * the defaults that were in force. Lines that it did
 * not write are ignored. Returns 0 or -ENOMEM. */
must_check int vm_claims_remember(struct vm_folder *f, const char *holders);

#endif
