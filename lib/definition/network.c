#include "lib/definition/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/addr.h"

struct list {
	struct in6_addr *items;
	unsigned count;
	bool full; /* no memory */
};

/* `text` may have a prefix length; what is no address is cloud-init's to complain of. */
static void add(struct list *l, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = text ? strcspn(text, "/") : sizeof(address);
	struct in6_addr found;
	struct in_addr ip;

	if (len >= sizeof(address))
		return;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &ip) == 1)
		found = ip4_mapped(ip);
	else if (inet_pton(AF_INET6, address, &found) != 1)
		return;
	for (unsigned i = 0; i < l->count; i++)
		if (ip6_equal(&l->items[i], &found))
			return;
	struct in6_addr *longer = realloc(l->items, (l->count + 1) * sizeof(*longer));
	l->full = l->full || !longer;
	if (!longer)
		return;
	l->items = longer;
	l->items[l->count++] = found;
}

/* An address of an interface: version 1 has one in "address", version 2 a list in "addresses" (with
 * options: an object of one key), which name servers have, too. */
static void collect(struct list *l, const json_t *node)
{
	const char *key;
	json_t *value, *one;
	size_t i;

	json_array_foreach(node, i, value)
		collect(l, value);
	/* Version 1 has name servers among the interfaces. */
	const char *type = json_string_value(json_object_get(node, "type"));
	if (type && strcmp(type, "nameserver") == 0)
		return;
	json_object_foreach((json_t *)node, key, value) {
		if (strcmp(key, "nameservers") == 0)
			continue;
		if (strcmp(key, "address") == 0 && json_is_string(value))
			add(l, json_string_value(value));
		else if (strcmp(key, "addresses") == 0)
			json_array_foreach(value, i, one)
				add(l, json_is_object(one)
					   ? json_object_iter_key(json_object_iter(one))
					   : json_string_value(one));
		else
			collect(l, value);
	}
}

int vm_network_addresses(const json_t *network_config, struct in6_addr **out, unsigned *count)
{
	struct list l = {0};

	collect(&l, network_config);
	if (l.full) {
		free(l.items);
		return -ENOMEM;
	}
	*out = l.items;
	*count = l.count;
	return 0;
}
