/* domain.h - names in DNS: the one rule for the lab's domain, asked by the command line before
 * anything is started and by the programs of the stack, which docker/stack/settings.py asks. */
#ifndef LIB_NET_DOMAIN_H
#define LIB_NET_DOMAIN_H

#include <stdbool.h>

/* Room for a machine's own label and its dot before it (RFC 1035, 2.3.4: 253 characters). */
#define DOMAIN_MAX 180

/* Labels of 1 to 63 letters, digits and inner '-', in lower case, joined by '.'. The last one is
 * not all digits: what ends so is taken for an address (RFC 1123, 2.1). */
bool domain_valid(const char *domain);

#endif
