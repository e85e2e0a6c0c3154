/* holders.h - the file in which the stack keeps who held which name, MAC and address, so that
 * its programs, when they start again, and the command line judge files that collide as it did
 * before. boot_handler writes it, vm_watcher reads it, beside the state file.
 */
#ifndef LIB_STORE_HOLDERS_H
#define LIB_STORE_HOLDERS_H

#include "lib/base/err.h"
#include "lib/store/store.h"

/* *text is what the file holds, or NULL when there is none yet; caller frees. */
must_check int vm_holders_read(const char *path, char **text, struct err *e);

/* Writes the file anew when its content changed. `cost_ms`: how long that took. */
must_check int vm_holders_write(
    const char *path, const struct vm_snapshot *snap, int *cost_ms, struct err *e);

#endif
