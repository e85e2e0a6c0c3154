/* machine_address.h - inside of state.h: which machines are known by an address. */
#ifndef BOOT_HANDLER_STATE_MACHINE_ADDRESS_H
#define BOOT_HANDLER_STATE_MACHINE_ADDRESS_H

#include "boot_handler/state/machine_table.h"

/* The locked machine's addresses (machine.address) are others than they were. */
void machine_readdress(struct machine_table *t, struct machine *m);

/* The machines known by an address (IPv4 as ip4_mapped()) but `not` (its MAC address), at most
 * `room` of them. Returns how many were written. */
size_t machine_table_at(struct machine_table *t, const struct in6_addr *address, uint64_t not,
    struct machine **out, size_t room);

/* True when is() holds for one of them. It must not block, nor come back here. */
bool machine_table_any_at(struct machine_table *t, const struct in6_addr *address, uint64_t not,
    bool (*is)(void *ctx, const struct mac *mac), void *ctx);

#endif
