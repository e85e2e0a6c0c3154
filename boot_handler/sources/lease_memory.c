#include "boot_handler/sources/lease_memory.h"

#include <string.h>

void lease_memory_init(struct lease_memory *m)
{
	memset(m, 0, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
}

static bool is_free(const struct lease *lease)
{
	return !lease->has_mac;
}

/* A machine has one lease of each family. */
static struct lease *find(struct lease_memory *m, const struct lease *lease)
{
	for (size_t i = 0; i < LEASE_MEMORY_SIZE; i++) {
		struct lease *item = &m->items[i];
		if (!is_free(item) && item->six == lease->six && mac_equal(&item->mac, &lease->mac))
			return item;
	}
	return NULL;
}

static struct lease *room(struct lease_memory *m)
{
	for (size_t i = 0; i < LEASE_MEMORY_SIZE; i++)
		if (is_free(&m->items[i]))
			return &m->items[i];
	m->next = (m->next + 1) % LEASE_MEMORY_SIZE;
	return &m->items[m->next];
}

static bool same_address(const struct lease *a, const struct lease *b)
{
	return a->six == b->six &&
	       (a->six ? ip6_equal(&a->ip6, &b->ip6) : a->ip.s_addr == b->ip.s_addr);
}

bool lease_memory_holder(struct lease_memory *m, const struct lease *lease, struct mac *out)
{
	bool found = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < LEASE_MEMORY_SIZE && !found; i++) {
		found = !is_free(&m->items[i]) && same_address(&m->items[i], lease);
		if (found)
			*out = m->items[i].mac;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

bool lease_memory_take(struct lease_memory *m, const struct lease *lease)
{
	if (!lease->has_mac)
		return false;
	pthread_mutex_lock(&m->lock);
	struct lease *item = find(m, lease);
	bool same = item && same_address(item, lease);
	bool news = lease->gone ? same : !same || lease->added;
	if (!lease->gone)
		*(item ? item : room(m)) = *lease;
	else if (same)
		item->has_mac = false;
	pthread_mutex_unlock(&m->lock);
	return news;
}

bool lease_memory_asked(struct lease_memory *m, const struct lease *lease)
{
	if (!lease->has_mac || lease->gone)
		return false;
	pthread_mutex_lock(&m->lock);
	const struct lease *item = find(m, lease);
	bool asked = lease->added || (item && item->ends != lease->ends);
	pthread_mutex_unlock(&m->lock);
	return asked;
}

void lease_memory_replay(
    struct lease_memory *m, bool (*take)(void *ctx, const struct lease *lease), void *ctx)
{
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < LEASE_MEMORY_SIZE; i++)
		if (!is_free(&m->items[i]) && take(ctx, &m->items[i]))
			m->items[i].has_mac = false;
	pthread_mutex_unlock(&m->lock);
}
