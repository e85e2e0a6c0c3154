/* lease_effect.h - what a lease event changes in what is known of its machine. Pure.
 *
 * dnsmasq tells all its leases again when it reads its files again, and each that is renewed: only
 * the time at which a lease ends tells one from the other.
 */
#ifndef BOOT_HANDLER_SOURCES_LEASE_EFFECT_H
#define BOOT_HANDLER_SOURCES_LEASE_EFFECT_H

#include "boot_handler/sources/lease.h"
#include "lib/machine/machine.h"
#include "lib/definition/vm.h"

struct lease_effect {
	struct machine_addresses after;
	bool given; /* it got the address, or its lease anew: it is alive, and that is an event */
	bool released; /* likewise: it has the address no more */
	bool taken;    /* whoever else was known by the address is not any more */
};

/* The lease is the machine's of `vm`, which is known by `known`. */
struct lease_effect lease_effect(
    const struct vm *vm, const struct machine_addresses *known, const struct lease *lease);

#endif
