/* ports.h - which machine may use which address on the lab's bridge, told to the packet filter.
 *
 * The bridge itself sees to it that a machine's port sends under the machine's own MAC addresses
 * (docker/vm/port.sh). An address that is a machine's, by its definition, by a lease or because it
 * was seen there, is bound to these here; addresses that nobody has stay everybody's.
 */
#ifndef VM_WATCHER_PORTS_H
#define VM_WATCHER_PORTS_H

#include "vm_watcher/leases.h"

/* Commands for nft(8) that fill the sets of docker/stack/ports.nft. *out is to be freed; -ENOMEM.
 */
must_check int ports_render(const struct vm_snapshot *snap, const struct leases *leases, char **out,
    size_t *len, struct err *e);

/* Has `nft -f file` take effect: all of it, or nothing. */
must_check int ports_apply(const char *file, struct err *e);

#endif
