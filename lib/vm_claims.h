/* vm_claims.h - inside of vm_store.h: no two machines with one name, MAC, address, UUID or serial.
 *
 * The first holder keeps what it has and the newcomer is refused, naming both files. Newcomers of
 * one batch come in order of change time, then of file name, so that every program that watches
 * the folder decides alike. Files that collide when the store opens are all refused until one of
 * them changes or goes. Definitions that trade their claims in one batch are accepted together.
 */
#ifndef LIB_VM_CLAIMS_H
#define LIB_VM_CLAIMS_H

#include "vm_folder.h"

/* Decides over every pending definition. Call after each batch of changes. */
void vm_claims_settle(struct vm_folder *f);

/* Enter or remove a file's serving definition; vm_file_serve() calls them. */
void vm_claims_add(struct vm_folder *f, struct vm_file *file);
void vm_claims_remove(struct vm_folder *f, struct vm_file *file);

#endif
