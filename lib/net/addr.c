#include "lib/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/text.h"

#define SHOWN_MAX 48 /* how much of a wrong address an error message repeats */

/* Copies text for an error message: shortened, and nothing in it but printable ASCII. */
static const char *shown(const char *text, size_t len, char buf[SHOWN_MAX + 4])
{
	size_t n = len < SHOWN_MAX ? len : SHOWN_MAX;

	memcpy(buf, text, n);
	text_to_ascii(buf, n);
	memcpy(buf + n, len > n ? "..." : "", len > n ? 4 : 1);
	return buf;
}

static bool mac_scan(const char *text, size_t len, struct mac *out)
{
	if (len != MAC_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < 6; i++) {
		int octet = hex_byte(text + i * 3);
		if (octet < 0)
			return false;
		if (i < 5 && text[i * 3 + 2] != text[2])
			return false;
		out->octet[i] = (uint8_t)octet;
	}
	return text[2] == ':' || text[2] == '-';
}

int mac_parse(const char *text, size_t len, struct mac *out, struct err *e)
{
	static const struct mac zero;
	char buf[SHOWN_MAX + 4];
	struct mac m;

	if (!mac_scan(text, len, &m))
		return err_set(e, EINVAL,
		    "\"%s\" is not a MAC address: write six pairs of hex digits such as 52:54:00:00:00:11",
		    shown(text, len, buf));
	if (mac_equal(&m, &zero))
		return err_set(e, EINVAL, "the all-zero MAC address belongs to no machine");
	if (m.octet[0] & 1)
		return err_set(e, EINVAL,
		    "\"%s\" is a multicast MAC address, which belongs to no machine: make its second digit even",
		    shown(text, len, buf));
	*out = m;
	return 0;
}

const char *mac_format(const struct mac *m, char *buf)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 6; i++) {
		buf[i * 3] = digits[m->octet[i] >> 4];
		buf[i * 3 + 1] = digits[m->octet[i] & 15];
		buf[i * 3 + 2] = ':';
	}
	buf[MAC_TEXT_SIZE - 1] = '\0';
	return buf;
}

/* Splits "address/prefix" and parses both. `addr` has room for the family's binary form. */
static bool cidr_scan(int family, const char *text, void *addr, uint8_t *prefix, bool *has_prefix)
{
	char buf[INET6_ADDRSTRLEN];
	unsigned max = family == AF_INET ? 32 : 128, n = 0;
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (inet_pton(family, buf, addr) != 1)
		return false;

	*has_prefix = slash;
	*prefix = 0;
	if (!slash)
		return true;
	size_t digits = strspn(slash + 1, "0123456789");
	if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
		return false;
	if (slash[1] == '0' && digits > 1)
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (unsigned)(slash[1 + i] - '0');
	if (n > max)
		return false;
	*prefix = (uint8_t)n;
	return true;
}

int cidr4_parse(const char *text, bool prefix_required, struct cidr4 *out, struct err *e)
{
	char buf[SHOWN_MAX + 4];
	struct cidr4 c;
	bool has_prefix;

	if (!cidr_scan(AF_INET, text, &c.addr, &c.prefix, &has_prefix))
		return err_set(e, EINVAL, "\"%s\" is not an IPv4 address: write one such as %s",
		    shown(text, strlen(text), buf),
		    prefix_required ? "192.168.100.1/24" : "192.168.100.11");
	if (prefix_required && !has_prefix)
		return err_set(e, EINVAL,
		    "\"%s\" has no prefix length: write one such as 192.168.100.1/24",
		    shown(text, strlen(text), buf));
	*out = c;
	return 0;
}

bool cidr4_contains(const struct cidr4 *net, struct in_addr ip)
{
	return (ntohl(net->addr.s_addr ^ ip.s_addr) & ~cidr4_host_bits(net->prefix)) == 0;
}

bool cidr4_is_edge(struct in_addr ip, uint8_t prefix)
{
	uint32_t bits = cidr4_host_bits(prefix), host = ntohl(ip.s_addr) & bits;

	return prefix < 31 && (host == 0 || host == bits);
}

int cidr6_parse(const char *text, bool prefix_required, struct cidr6 *out, struct err *e)
{
	char buf[SHOWN_MAX + 4];
	struct cidr6 c;
	bool has_prefix;

	if (!cidr_scan(AF_INET6, text, &c.addr, &c.prefix, &has_prefix))
		return err_set(e, EINVAL, "\"%s\" is not an IPv6 address: write one such as %s",
		    shown(text, strlen(text), buf), prefix_required ? "fd00::1/64" : "fd00::11");
	if (prefix_required && !has_prefix)
		return err_set(e, EINVAL,
		    "\"%s\" has no prefix length: write one such as fd00::1/64",
		    shown(text, strlen(text), buf));
	*out = c;
	return 0;
}

bool cidr6_contains(const struct cidr6 *net, const struct in6_addr *ip)
{
	for (unsigned i = 0; i < 16 && i * 8 < net->prefix; i++) {
		unsigned bits = net->prefix - i * 8;
		unsigned mask = bits >= 8 ? 0xff : 0xffu << (8 - bits) & 0xff;
		if ((net->addr.s6_addr[i] ^ ip->s6_addr[i]) & mask)
			return false;
	}
	return true;
}

const char *ip_text(const struct in6_addr *either, char out[INET6_ADDRSTRLEN])
{
	bool four = IN6_IS_ADDR_V4MAPPED(either);

	return inet_ntop(four ? AF_INET : AF_INET6, four ? &either->s6_addr[12] : either->s6_addr,
	    out, INET6_ADDRSTRLEN);
}
