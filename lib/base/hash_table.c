#include "lib/base/hash_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put(struct hash_table *t, uint64_t hash, void *item)
{
	size_t i = hash & (t->capacity - 1);

	while (t->slots[i].item)
		i = (i + 1) & (t->capacity - 1);
	t->slots[i] = (struct hash_slot){hash, item};
	t->count++;
}

int hash_table_reserve(struct hash_table *t, size_t count)
{
	struct hash_table grown = {.capacity = 16};

	if (count * 4 <= t->capacity * 3)
		return 0;
	while (count * 4 > grown.capacity * 3)
		grown.capacity *= 2;
	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->capacity; i++)
		if (t->slots[i].item)
			put(&grown, t->slots[i].hash, t->slots[i].item);
	free(t->slots);
	*t = grown;
	return 0;
}

int hash_table_add(struct hash_table *t, uint64_t hash, void *item)
{
	int rc = hash_table_reserve(t, t->count + 1);

	if (rc == 0)
		put(t, hash, item);
	return rc;
}

void hash_table_remove(struct hash_table *t, uint64_t hash, const void *item)
{
	size_t mask = t->capacity - 1, hole;

	if (!t->count)
		return;
	for (hole = hash & mask; t->slots[hole].item; hole = (hole + 1) & mask)
		if (t->slots[hole].item == item && t->slots[hole].hash == hash)
			break;
	if (!t->slots[hole].item)
		return;
	t->count--;
	/* Move up what had to step over the hole (Knuth, 6.4, algorithm R). */
	for (size_t i = (hole + 1) & mask; t->slots[i].item; i = (i + 1) & mask) {
		size_t home = t->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole].item = NULL;
}

void *hash_table_find(const struct hash_table *t, uint64_t hash,
    bool (*same)(const void *item, const void *key), const void *key)
{
	size_t mask = t->capacity - 1;

	if (!t->count)
		return NULL;
	for (size_t i = hash & mask; t->slots[i].item; i = (i + 1) & mask)
		if (t->slots[i].hash == hash && same(t->slots[i].item, key))
			return t->slots[i].item;
	return NULL;
}

void hash_table_wipe(struct hash_table *t)
{
	if (t->count)
		memset(t->slots, 0, t->capacity * sizeof(*t->slots));
	t->count = 0;
}

void hash_table_clear(struct hash_table *t)
{
	free(t->slots);
	*t = (struct hash_table){NULL, 0, 0};
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u; /* FNV-1a */
	/* FNV's low bits are weak and index the table: mix the high ones in. */
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 29;
}
