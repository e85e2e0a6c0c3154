#include "boot_handler/documents/owner.h"

#include <arpa/inet.h>
#include <string.h>

bool source_parse(const char *text, struct source *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &out->ip) == 1)
		return out->ip.s_addr != 0;
	if (inet_pton(AF_INET6, text, &out->ip6) != 1 || IN6_IS_ADDR_UNSPECIFIED(&out->ip6))
		return false;
	out->six = !IN6_IS_ADDR_V4MAPPED(&out->ip6);
	if (!out->six)
		memcpy(&out->ip, &out->ip6.s6_addr[12], sizeof(out->ip));
	return out->six || out->ip.s_addr != 0;
}

struct in6_addr source_address(const struct source *source)
{
	return source->six ? source->ip6 : ip4_mapped(source->ip);
}

bool owner_has(
    const struct vm *vm, const struct machine_addresses *known, const struct source *source)
{
	struct in6_addr address = source_address(source);

	if (source->six ? ip6_equal(&known->leased_ip6, &source->ip6) ||
			      ip6_equal(&known->seen_ip6, &source->ip6)
			: known->leased_ip.s_addr == source->ip.s_addr ||
			      known->seen_ip.s_addr == source->ip.s_addr)
		return true;
	return vm_has_address(vm, &address);
}

const char *owner_address(const struct vm *vm, const struct machine_addresses *known, char *buf)
{
	struct in_addr ip = known->seen_ip.s_addr     ? known->seen_ip
			    : known->leased_ip.s_addr ? known->leased_ip
						      : vm->ip;
	const char *text = NULL;

	if (ip.s_addr)
		text = inet_ntop(AF_INET, &ip, buf, INET6_ADDRSTRLEN);
	else if (vm->has_ip6)
		text = inet_ntop(AF_INET6, &vm->ip6, buf, INET6_ADDRSTRLEN);
	return text ? text : "an address not known yet";
}
