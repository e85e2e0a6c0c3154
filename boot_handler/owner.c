#include "boot_handler/owner.h"

#include <arpa/inet.h>
#include <jansson.h>
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

/* `text` may have a prefix length. */
static bool names(const char *text, const struct source *source)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	struct source said;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return source_parse(address, &said) && said.six == source->six &&
	       (said.six ? ip6_equal(&said.ip6, &source->ip6) : said.ip.s_addr == source->ip.s_addr);
}

/* An address of an interface: version 1 has one in "address", version 2 a list in "addresses" (with
 * options: an object of one key), which name servers have, too. */
static bool configures(const json_t *node, const struct source *source)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_array(node)) {
		json_array_foreach(node, i, value)
			if (configures(value, source))
				return true;
		return false;
	}
	/* Version 1 has name servers among the interfaces. */
	const char *type = json_string_value(json_object_get(node, "type"));
	if (type && strcmp(type, "nameserver") == 0)
		return false;
	json_object_foreach((json_t *)node, key, value) {
		if (strcmp(key, "nameservers") == 0)
			continue;
		if (strcmp(key, "address") == 0 && json_is_string(value) &&
		    names(json_string_value(value), source))
			return true;
		if (strcmp(key, "addresses") == 0) {
			json_t *one;
			json_array_foreach(value, i, one) {
				const char *text = json_is_object(one)
						       ? json_object_iter_key(json_object_iter(one))
						       : json_string_value(one);
				if (text && names(text, source))
					return true;
			}
		} else if (configures(value, source)) {
			return true;
		}
	}
	return false;
}

/* Read only when nothing else matches. */
static bool static_address(const struct vm *vm, const struct source *source)
{
	if (!vm->doc || !strstr(vm->doc, "\"network_config\""))
		return false;
	json_t *doc = json_loads(vm->doc, 0, NULL);
	bool found = configures(json_object_get(doc, "network_config"), source);
	json_decref(doc);
	return found;
}

bool owner_has(
    const struct vm *vm, const struct machine_addresses *known, const struct source *source)
{
	if (source->six) {
		if ((vm->has_ip6 && ip6_equal(&vm->ip6, &source->ip6)) ||
		    ip6_equal(&known->leased_ip6, &source->ip6) ||
		    ip6_equal(&known->seen_ip6, &source->ip6))
			return true;
	} else if (vm->ip.s_addr == source->ip.s_addr ||
		   known->leased_ip.s_addr == source->ip.s_addr ||
		   known->seen_ip.s_addr == source->ip.s_addr) {
		return true;
	}
	return static_address(vm, source);
}

const char *owner_address(
    const struct vm *vm, const struct machine_addresses *known, char *buf)
{
	struct in_addr ip = known->seen_ip.s_addr	? known->seen_ip
			    : known->leased_ip.s_addr	? known->leased_ip
							: vm->ip;
	const char *text = NULL;

	if (ip.s_addr)
		text = inet_ntop(AF_INET, &ip, buf, INET6_ADDRSTRLEN);
	else if (vm->has_ip6)
		text = inet_ntop(AF_INET6, &vm->ip6, buf, INET6_ADDRSTRLEN);
	return text ? text : "an address not known yet";
}
