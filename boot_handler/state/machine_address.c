#include "boot_handler/state/machine_address.h"

#include "lib/base/hash_table.h"

static struct machine_at **bucket_of(struct machine_table *t, const struct in6_addr *address)
{
	return &t->at[hash_bytes(address, sizeof(*address), 0) % MACHINE_AT_BUCKETS];
}

static void unlink_at(struct machine_table *t, struct machine_at *at)
{
	struct machine_at **link = bucket_of(t, &at->address);

	while (*link != at)
		link = &(*link)->next;
	*link = at->next;
}

static void link_at(struct machine_table *t, struct machine_at *at)
{
	struct machine_at **bucket = bucket_of(t, &at->address);

	at->next = *bucket;
	*bucket = at;
}

void machine_readdress(struct machine_table *t, struct machine *m)
{
	const struct machine_addresses *a = &m->address;
	const struct in6_addr now[MACHINE_ADDRESSES] = {
	    a->leased_ip.s_addr ? ip4_mapped(a->leased_ip) : in6addr_any,
	    a->seen_ip.s_addr ? ip4_mapped(a->seen_ip) : in6addr_any,
	    a->leased_ip6,
	    a->seen_ip6,
	};

	pthread_mutex_lock(&t->at_lock);
	for (size_t i = 0; i < MACHINE_ADDRESSES; i++) {
		struct machine_at *at = &m->at[i];

		if (ip6_equal(&at->address, &now[i]))
			continue;
		if (ip6_is_set(&at->address))
			unlink_at(t, at);
		at->machine = m;
		at->address = now[i];
		if (ip6_is_set(&at->address))
			link_at(t, at);
	}
	pthread_mutex_unlock(&t->at_lock);
}

size_t machine_table_at(struct machine_table *t, const struct in6_addr *address, uint64_t not,
    struct machine **out, size_t room)
{
	size_t n = 0;

	pthread_mutex_lock(&t->at_lock);
	for (struct machine_at *at = *bucket_of(t, address); at && n < room; at = at->next)
		if (at->machine->mac != not&&ip6_equal(&at->address, address))
			out[n++] = at->machine;
	pthread_mutex_unlock(&t->at_lock);
	return n;
}

bool machine_table_any_at(struct machine_table *t, const struct in6_addr *address, uint64_t not,
    bool (*is)(void *ctx, const struct mac *mac), void *ctx)
{
	bool found = false;

	pthread_mutex_lock(&t->at_lock);
	for (struct machine_at *at = *bucket_of(t, address); at && !found; at = at->next) {
		struct mac mac = mac_from_number(at->machine->mac);
		found =
		    at->machine->mac != not && ip6_equal(&at->address, address) && is(ctx, &mac);
	}
	pthread_mutex_unlock(&t->at_lock);
	return found;
}
