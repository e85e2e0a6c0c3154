/* addr.h - MAC and IP addresses: parsed, never passed on as text. */
#ifndef LIB_NET_ADDR_H
#define LIB_NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct mac {
	uint8_t octet[6];
};

#define MAC_TEXT_SIZE 18 /* "52:54:00:aa:bb:cc" and NUL */

/* Accepts six hex pairs separated by ':' or '-' (all the same), either case. Refuses the all-zero
 * and multicast addresses: no machine can own them. `text` needs no NUL at text[len]. */
must_check int mac_parse(const char *text, size_t len, struct mac *out, struct err *e);

/* Writes lower case with ':' into buf (MAC_TEXT_SIZE bytes) and returns it. */
const char *mac_format(const struct mac *m, char *buf);

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

/* An IPv4 network such as the lab's, "192.168.100.1/24". */
struct cidr4 {
	struct in_addr addr; /* network byte order, host bits kept */
	uint8_t prefix;      /* 0-32 */
};

/* "a.b.c.d" (prefix becomes 0 when `prefix_required` is false) or "a.b.c.d/n". */
must_check int cidr4_parse(
    const char *text, bool prefix_required, struct cidr4 *out, struct err *e);
bool cidr4_contains(const struct cidr4 *net, struct in_addr ip);

/* Whether `ip`, host bits and all, is the first or the last address of a network with this prefix
 * (0-32), which belong to no machine (RFC 919). RFC 3021: those of a /31 do, and that of a /32. */
bool cidr4_is_edge(struct in_addr ip, uint8_t prefix);

/* The bits of an address that tell the machine, in host byte order: all for prefix 0, none for 32.
 */
static inline uint32_t cidr4_host_bits(uint8_t prefix)
{
	return prefix < 32 ? UINT32_MAX >> prefix : 0;
}

/* As above for IPv6; `prefix` is 0 when absent. */
struct cidr6 {
	struct in6_addr addr;
	uint8_t prefix; /* 0-128 */
};
must_check int cidr6_parse(
    const char *text, bool prefix_required, struct cidr6 *out, struct err *e);
bool cidr6_contains(const struct cidr6 *net, const struct in6_addr *ip);

/* ::ffff:a.b.c.d (RFC 4291, 2.5.5.2): where an address may be of either kind. */
static inline struct in6_addr ip4_mapped(struct in_addr ip)
{
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	__builtin_memcpy(&mapped.s6_addr[12], &ip, sizeof(ip));
	return mapped;
}

/* As text, IPv4 in its own form; returns `out`. */
const char *ip_text(const struct in6_addr *either, char out[INET6_ADDRSTRLEN]);

static inline bool ip6_is_set(const struct in6_addr *ip)
{
	return !IN6_IS_ADDR_UNSPECIFIED(ip);
}

static inline bool ip6_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

#endif
