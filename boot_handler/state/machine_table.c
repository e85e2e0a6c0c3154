#include "boot_handler/state/machine_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/log.h"

/* Finer would make every request write to memory that others read. */
#define SEEN_EVERY_MS 1000

static uint64_t hot_pack(struct life m)
{
	return (uint64_t)m.state | (uint64_t)m.local << 4 | (uint64_t)m.reinstall << 5 |
	       (uint64_t)m.ordered << 6 | (uint64_t)m.netboot_off << 7 | (uint64_t)m.attempt << 8;
}

static struct life hot_unpack(uint64_t hot)
{
	return (struct life){
	    .state = (enum machine_state)(hot & 15),
	    .local = hot & 16,
	    .reinstall = hot & 32,
	    .ordered = hot & 64,
	    .netboot_off = hot & 128,
	    .attempt = (unsigned)(hot >> 8),
	};
}

struct life machine_life(const struct machine *m)
{
	return hot_unpack(atomic_load_explicit(&m->hot, memory_order_acquire));
}

void machine_set_life(struct machine *m, struct life memory)
{
	atomic_store_explicit(&m->hot, hot_pack(memory), memory_order_release);
}

static uint64_t spread(uint64_t mac)
{
	return (mac * 0x9e3779b97f4a7c15u) >> 20;
}

struct machine *machine_table_find(struct machine_table *t, uint64_t mac)
{
	struct machine *m =
	    atomic_load_explicit(&t->bucket[spread(mac) % MACHINE_BUCKETS], memory_order_acquire);

	while (m && m->mac != mac)
		m = m->next;
	return m;
}

static pthread_mutex_t *stripe_of(struct machine_table *t, const struct machine *m)
{
	return &t->stripe[spread(m->mac) / MACHINE_BUCKETS % MACHINE_STRIPES];
}

/* NULL only when memory is short. */
static struct machine *find_or_add(struct machine_table *t, const struct mac *mac)
{
	uint64_t number = mac_number(mac);
	_Atomic(struct machine *) *bucket = &t->bucket[spread(number) % MACHINE_BUCKETS];
	struct machine *m = machine_table_find(t, number);

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->mac = number;
	m->eta_s = -1;
	struct machine *head = atomic_load_explicit(bucket, memory_order_acquire);
	do {
		for (struct machine *other = head; other; other = other->next) {
			if (other->mac == number) {
				free(m);
				return other;
			}
		}
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    bucket, &head, m, memory_order_release, memory_order_acquire));
	return m;
}

void machine_mark_dirty(struct machine_table *t, struct machine *m)
{
	if (atomic_load_explicit(&m->dirty, memory_order_relaxed) ||
	    atomic_exchange_explicit(&m->dirty, true, memory_order_acq_rel))
		return;
	m->next_dirty = atomic_load_explicit(&t->dirty, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
	    &t->dirty, &m->next_dirty, m, memory_order_release, memory_order_relaxed))
		;
}

void machine_touch(struct machine_table *t, struct machine *m, int64_t now)
{
	int64_t age = now - atomic_load_explicit(&m->last_seen_ms, memory_order_relaxed);

	if (age >= 0 && age < SEEN_EVERY_MS)
		return;
	atomic_store_explicit(&m->last_seen_ms, now, memory_order_relaxed);
	machine_mark_dirty(t, m);
}

void machine_lock(struct machine_table *t, const struct machine *m)
{
	pthread_mutex_lock(stripe_of(t, m));
}

void machine_unlock(struct machine_table *t, const struct machine *m)
{
	pthread_mutex_unlock(stripe_of(t, m));
}

struct machine *machine_table_lock(struct machine_table *t, const struct mac *mac, const char *name)
{
	struct machine *m = find_or_add(t, mac);

	if (!m) {
		log_error("out of memory: the state of a machine is not recorded vm=%s", name);
		return NULL;
	}
	machine_lock(t, m);
	snprintf(m->name, sizeof(m->name), "%s", name);
	return m;
}

struct machine *machine_table_take_dirty(struct machine_table *t)
{
	return atomic_exchange_explicit(&t->dirty, NULL, memory_order_acquire);
}

void machine_set_nic(struct machine_table *t, struct machine *m, uint64_t nic)
{
	/* The card may have been another machine's before. */
	for (struct machine *other = nic ? atomic_load(&t->nics) : NULL; other;
	    other = other->next_nic) {
		uint64_t same = nic;
		if (other != m && atomic_compare_exchange_strong(&other->nic, &same, 0))
			machine_mark_dirty(t, other);
	}
	atomic_store(&m->nic, nic);
	machine_mark_dirty(t, m);
	if (!nic || atomic_exchange(&m->in_nics, true))
		return;
	m->next_nic = atomic_load(&t->nics);
	while (!atomic_compare_exchange_weak(&t->nics, &m->next_nic, m))
		;
}

struct machine *machine_table_find_nic(struct machine_table *t, uint64_t nic)
{
	struct machine *m = atomic_load(&t->nics);

	while (m && atomic_load(&m->nic) != nic)
		m = m->next_nic;
	return m;
}

void machine_table_init(struct machine_table *t)
{
	for (int i = 0; i < MACHINE_STRIPES; i++)
		pthread_mutex_init(&t->stripe[i], NULL);
	pthread_mutex_init(&t->at_lock, NULL);
}

static void machine_free(struct machine *m)
{
	free(m->error_reason);
	free(m->error_hint);
	free(m->cloud_init);
	free(m->curve);
	for (int k = 0; k < MACHINE_KEYS_MAX; k++)
		free(m->host_key[k]);
	free(m);
}

void machine_table_clear(struct machine_table *t)
{
	for (size_t i = 0; i < MACHINE_BUCKETS; i++) {
		struct machine *m = atomic_load(&t->bucket[i]);

		while (m) {
			struct machine *next = m->next;

			machine_free(m);
			m = next;
		}
	}
	for (int i = 0; i < MACHINE_STRIPES; i++)
		pthread_mutex_destroy(&t->stripe[i]);
	pthread_mutex_destroy(&t->at_lock);
}
