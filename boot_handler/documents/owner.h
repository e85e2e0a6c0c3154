/* owner.h - whether a request about a machine comes from that machine's address. Pure.
 *
 * A machine's own are: what its definition says (ip, ipv6, static addresses of its network_config),
 * what the lab's DHCP gave it, and where it was seen before.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_OWNER_H
#define BOOT_HANDLER_DOCUMENTS_OWNER_H

#include <netinet/in.h>
#include <stdbool.h>

#include "lib/machine/machine.h"
#include "lib/definition/vm.h"

struct source {
	bool six;
	struct in_addr ip;
	struct in6_addr ip6;
};

/* An address as nginx writes it; ::ffff:1.2.3.4 is 1.2.3.4. False for anything else. */
bool source_parse(const char *text, struct source *out);

/* IPv4 as ip4_mapped(). */
struct in6_addr source_address(const struct source *source);

bool owner_has(
    const struct vm *vm, const struct machine_addresses *known, const struct source *source);

/* The address to name in a sentence, "an address not known yet" when there is none. Writes into buf
 * (INET6_ADDRSTRLEN bytes) or returns static text. */
const char *owner_address(const struct vm *vm, const struct machine_addresses *known, char *buf);

#endif
