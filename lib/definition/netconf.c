/* netconf.c - reader of "network_config": cloud-init's network configuration, version 1 and 2.
 *
 * Types are those of cloud-init's schemas (schema-network-config-v1.json and -v2.json): what has
 * another one makes it fail, or it brings up something else. Members that it does not know are
 * netplan's to judge.
 */
#include "lib/definition/field.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/network.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct member {
	const char *key;
	int (*read)(struct json_reader *r, json_t *value);
};

static int read_members(
    struct json_reader *r, json_t *value, const struct member *members, size_t count)
{
	if (!json_is_object(value))
		return json_refuse(r, "must be an object, in {} brackets");
	for (size_t i = 0; i < count; i++)
		json_member(r, value, members[i].key, members[i].read);
	return 0;
}

/* ---- single values
 * -----------------------------------------------------------------------------*/

static int read_yes(struct json_reader *r, json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_boolean(value))
		return 0;
	if (!s || (strcmp(s, "yes") != 0 && strcmp(s, "no") != 0))
		return json_refuse(r, "must be true or false, without quotes");
	json_warn(
	    r, "is a text, and some take \"no\" for true: write true or false, without quotes");
	return 0;
}

static int read_whole_number(struct json_reader *r, json_t *value)
{
	return json_is_integer(value) ? 0
				      : json_refuse(r, "must be a whole number, without quotes");
}

static int read_lines(struct json_reader *r, json_t *value)
{
	return json_each(r, value, json_read_line);
}

static int read_any_object(struct json_reader *r, json_t *value)
{
	return read_members(r, value, NULL, 0);
}

static int read_card(struct json_reader *r, json_t *value)
{
	struct mac mac;
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	return mac_parse(s, strlen(s), &mac, &r->why) < 0 ? json_refuse_why(r) : 0;
}

/* With its prefix length, where that is not said elsewhere. */
static int read_address(struct json_reader *r, json_t *value, bool prefix)
{
	struct cidr4 four;
	struct cidr6 six;
	struct err ignored = ERR_INIT;
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (cidr4_parse(s, prefix, &four, &ignored) < 0 &&
	    cidr6_parse(s, prefix, &six, &ignored) < 0)
		return json_refuse(r, "\"%.60s\" is not an address%s such as \"%s\"", s,
		    prefix ? " with its prefix length," : "",
		    prefix ? "192.168.100.11/24" : "192.168.100.11");
	return 0;
}

/* netplan takes options of an address, too: {"10.0.0.5/24": {"label": "x"}}. */
static int read_v2_address(struct json_reader *r, json_t *value)
{
	if (!json_is_object(value))
		return read_address(r, value, true);
	const char *key = json_object_iter_key(json_object_iter(value));
	json_t *name = json_string(key ? key : "");
	int rc = read_address(r, name, true);
	json_decref(name);
	return rc;
}

static int read_v1_address(struct json_reader *r, json_t *value)
{
	return read_address(r, value, false);
}

static int read_server(struct json_reader *r, json_t *value)
{
	return read_address(r, value, false);
}

static int read_servers(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_server);
}

/* ---- version 2
 * ---------------------------------------------------------------------------------*/

static int read_v2_addresses(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_v2_address);
}

static int read_v2_nameservers(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {
	    {"addresses", read_servers}, {"search", read_lines}};

	return read_members(r, value, members, COUNT(members));
}

static int read_v2_route(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {
	    {"to", json_read_line}, {"via", read_server}, {"metric", read_whole_number}};

	if (read_members(r, value, members, COUNT(members)) < 0)
		return -EINVAL;
	return json_absent(json_object_get(value, "to"))
		   ? json_refuse(r, "has no \"to\": add it, such as \"default\"")
		   : 0;
}

static int read_v2_routes(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_v2_route);
}

static int read_v2_match(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {
	    {"name", json_read_line}, {"macaddress", read_card}};

	return read_members(r, value, members, COUNT(members));
}

static int read_v2_interface(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {
	    {"match", read_v2_match},
	    {"set-name", json_read_line},
	    {"wakeonlan", json_read_flag},
	    {"optional", json_read_flag},
	    {"dhcp4", read_yes},
	    {"dhcp6", read_yes},
	    {"dhcp4-overrides", read_any_object},
	    {"dhcp6-overrides", read_any_object},
	    {"addresses", read_v2_addresses},
	    {"gateway4", read_server},
	    {"gateway6", read_server},
	    {"nameservers", read_v2_nameservers},
	    {"routes", read_v2_routes},
	    {"mtu", read_whole_number},
	    {"macaddress", read_card},
	    {"interfaces", read_lines},
	    {"parameters", read_any_object},
	    {"id", read_whole_number},
	    {"link", json_read_line},
	};

	return read_members(r, value, members, COUNT(members));
}

static int read_v2_interfaces(struct json_reader *r, json_t *value)
{
	const char *name;
	json_t *interface;

	if (!json_is_object(value))
		return json_refuse(
		    r, "must be an object of interfaces such as {\"lan\": {\"dhcp4\": true}}");
	json_object_foreach(value, name, interface) {
		json_enter(r, name);
		(void)read_v2_interface(r, interface);
		json_leave(r);
	}
	return 0;
}

/* ---- version 1
 * ---------------------------------------------------------------------------------*/

static int read_v1_route(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {{"network", json_read_line},
	    {"destination", json_read_line}, {"netmask", json_read_line}, {"gateway", read_server},
	    {"metric", read_whole_number}};

	return read_members(r, value, members, COUNT(members));
}

static int read_v1_routes(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_v1_route);
}

static int read_one_or_more(struct json_reader *r, json_t *value)
{
	return json_is_array(value) ? read_servers(r, value) : read_server(r, value);
}

static int read_v1_subnet(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {{"type", json_read_line},
	    {"address", read_v1_address}, {"netmask", json_read_line}, {"gateway", read_server},
	    {"dns_nameservers", read_one_or_more}, {"routes", read_v1_routes}};

	if (read_members(r, value, members, COUNT(members)) < 0)
		return -EINVAL;
	return json_absent(json_object_get(value, "type"))
		   ? json_refuse(r, "has no \"type\": add it, such as \"dhcp4\" or \"static\"")
		   : 0;
}

static int read_v1_subnets(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_v1_subnet);
}

static bool is_type(const json_t *item, const char *type)
{
	const char *own = json_string_value(json_object_get(item, "type"));

	return own && strcmp(own, type) == 0;
}

static int read_v1_item(struct json_reader *r, json_t *value)
{
	static const struct member members[] = {{"type", json_read_line}, {"name", json_read_line},
	    {"mac_address", read_card}, {"mtu", read_whole_number}, {"subnets", read_v1_subnets},
	    {"bond_interfaces", read_lines}, {"bridge_interfaces", read_lines},
	    {"vlan_link", json_read_line}, {"vlan_id", read_whole_number},
	    {"params", read_any_object}};

	if (read_members(r, value, members, COUNT(members)) < 0)
		return -EINVAL;
	if (json_absent(json_object_get(value, "type")))
		return json_refuse(r, "has no \"type\": add it, such as \"physical\"");
	if (is_type(value, "physical") && json_absent(json_object_get(value, "name")))
		return json_refuse(r, "has no \"name\": add it, such as \"eth0\"");
	if (is_type(value, "nameserver"))
		json_member(r, value, "address", read_one_or_more);
	return 0;
}

static int read_v1_config(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_v1_item);
}

/* ---- the machine's own interface
 * ---------------------------------------------------------------*/

/* What the configuration's interfaces have in common with this machine. */
struct links {
	unsigned count; /* network cards */
	unsigned ours;  /* of these, that may be the one it boots from */
	bool dhcp4, dhcp6;
};

static bool is_ours(struct json_reader *r, const json_t *mac)
{
	const char *s = json_string_value(mac);
	struct err ignored = ERR_INIT;
	struct mac other;

	return !s || !*s || mac_parse(s, strlen(s), &other, &ignored) < 0 ||
	       memcmp(&other, &vm_draft(r)->mac, sizeof(other)) == 0;
}

static bool is_on(const json_t *value)
{
	return json_is_true(value) || json_is_string(value);
}

static struct links links_2(struct json_reader *r, const json_t *config)
{
	static const char *const kinds[] = {"ethernets", "bonds", "bridges", "vlans"};
	struct links l = {0};
	const char *name;
	json_t *interface;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		json_object_foreach(json_object_get(config, kinds[i]), name, interface) {
			const json_t *mac =
			    json_object_get(json_object_get(interface, "match"), "macaddress");
			l.count += i == 0;
			l.ours += i == 0 && is_ours(r, mac);
			l.dhcp4 = l.dhcp4 || is_on(json_object_get(interface, "dhcp4"));
			l.dhcp6 = l.dhcp6 || is_on(json_object_get(interface, "dhcp6"));
		}
	}
	return l;
}

static struct links links_1(struct json_reader *r, const json_t *config)
{
	struct links l = {0};
	json_t *item, *subnet;
	size_t i, k;

	json_array_foreach(json_object_get(config, "config"), i, item) {
		bool card = is_type(item, "physical");
		l.count += card;
		l.ours += card && is_ours(r, json_object_get(item, "mac_address"));
		json_array_foreach(json_object_get(item, "subnets"), k, subnet) {
			l.dhcp4 = l.dhcp4 || is_type(subnet, "dhcp") || is_type(subnet, "dhcp4");
			l.dhcp6 = l.dhcp6 || is_type(subnet, "dhcp6") ||
				  is_type(subnet, "ipv6_dhcpv6-stateful");
		}
	}
	return l;
}

/* The one of the list, of the same family, that stands in place of `declared`; NULL: it is there
 * itself, or there is none. */
static const struct in6_addr *instead_of(
    const struct in6_addr *list, unsigned count, const struct in6_addr *declared)
{
	const struct in6_addr *other = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (ip6_equal(&list[i], declared))
			return NULL;
		if (!other && IN6_IS_ADDR_V4MAPPED(&list[i]) == IN6_IS_ADDR_V4MAPPED(declared))
			other = &list[i];
	}
	return other;
}

static void warn_instead(struct json_reader *r, const char *field, const struct in6_addr *declared,
    const struct in6_addr *other)
{
	char mine[INET6_ADDRSTRLEN], set[INET6_ADDRSTRLEN];

	json_warn(r,
	    "sets %s and no DHCP, where \"%s\" is %s, which the installed system does not keep then: make them equal, or leave \"%s\" out",
	    ip_text(other, set), field, ip_text(declared, mine), field);
}

static void check_declared(struct json_reader *r, json_t *config, const struct links *l)
{
	_cleanup_free_ struct in6_addr *list = NULL;
	struct in6_addr ip = ip4_mapped(vm_draft(r)->ip);
	const struct in6_addr *other;
	unsigned count = 0;

	if (vm_network_addresses(config, &list, &count) < 0)
		return;
	if (vm_draft(r)->ip.s_addr && !l->dhcp4 && (other = instead_of(list, count, &ip)))
		warn_instead(r, "ip", &ip, other);
	if (vm_draft(r)->has_ip6 && !l->dhcp6 &&
	    (other = instead_of(list, count, &vm_draft(r)->ip6)))
		warn_instead(r, "ipv6", &vm_draft(r)->ip6, other);
}

static void check_links(struct json_reader *r, json_t *config, const struct links *l)
{
	static const struct mac none;
	char mac[MAC_TEXT_SIZE];

	if (l->count == 0) {
		json_warn(r,
		    "names no network card, so the installed system has no network and never reports: add one (version 2: \"ethernets\": {\"lan\": {\"match\": {\"name\": \"e*\"}, \"dhcp4\": true}})");
	} else if (l->ours == 0 && memcmp(&vm_draft(r)->mac, &none, sizeof(none)) != 0) {
		json_warn(r,
		    "names only network cards with another MAC address than \"mac\", %s: the one that the machine boots from stays without an address",
		    mac_format(&vm_draft(r)->mac, mac));
	}
	check_declared(r, config, l);
}

/* ---- both
 * --------------------------------------------------------------------------------------*/

static int read_config(struct json_reader *r, json_t *config)
{
	static const struct member version_1[] = {{"config", read_v1_config}};
	static const struct member version_2[] = {{"ethernets", read_v2_interfaces},
	    {"bonds", read_v2_interfaces}, {"bridges", read_v2_interfaces},
	    {"vlans", read_v2_interfaces}};
	json_int_t version = json_integer_value(json_object_get(config, "version"));
	unsigned before = r->refusals;

	if (version != 1 && version != 2)
		return json_refuse(
		    r, "has no \"version\": add 1 or 2, the format of cloud-init's network-config");
	(void)(version == 1 ? read_members(r, config, version_1, COUNT(version_1))
			    : read_members(r, config, version_2, COUNT(version_2)));
	if (r->refusals > before)
		return -EINVAL;
	struct links l = version == 1 ? links_1(r, config) : links_2(r, config);
	if (!vm_reader_of(r)->layer && !vm_reader_of(r)->strict)
		check_links(r, config, &l);
	return 0;
}

int vm_read_network_config(struct json_reader *r, json_t *value)
{
	if (!json_is_object(value))
		return json_refuse(r,
		    "must be a network-config object such as {\"version\": 2, \"ethernets\": {...}}");
	json_t *inner = json_object_get(value, "network");
	if (!json_is_object(inner))
		return read_config(r, value);
	json_enter(r, "network");
	int rc = read_config(r, inner);
	json_leave(r);
	return rc;
}
