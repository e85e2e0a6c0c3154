/* network.h - inside of vm.h: what a definition's network_config says of addresses. Pure. */
#ifndef LIB_DEFINITION_NETWORK_H
#define LIB_DEFINITION_NETWORK_H

#include <jansson.h>
#include <netinet/in.h>

#include "lib/base/err.h"

/* The static addresses of a network_config (NULL: it has none), IPv4 as ip4_mapped(), each once.
 * *out is to be freed. 0 or -ENOMEM. */
must_check int vm_network_addresses(
    const json_t *network_config, struct in6_addr **out, unsigned *count);

#endif
