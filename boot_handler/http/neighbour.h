/* neighbour.h - which MAC address the kernel sends to when it answers an address: rtnetlink(7). */
#ifndef BOOT_HANDLER_HTTP_NEIGHBOUR_H
#define BOOT_HANDLER_HTTP_NEIGHBOUR_H

#include "boot_handler/documents/owner.h"

/* False when none is known: the source is this machine, behind a router, or was not heard of yet.
 * Reads the kernel's whole table. */
bool neighbour_mac(const struct source *source, struct mac *out);

#endif
