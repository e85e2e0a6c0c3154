/* hash_table.h - borrowed pointers found by a 64-bit hash; the caller compares.
 *
 * Open addressing with linear probing; one item may stand in it under several hashes. Not safe for
 * several threads at once. A zeroed struct is an empty table.
 */
#ifndef LIB_BASE_HASH_TABLE_H
#define LIB_BASE_HASH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct hash_slot {
	uint64_t hash;
	void *item; /* NULL: free */
};

struct hash_table {
	struct hash_slot *slots;
	size_t capacity; /* 0 or a power of two */
	size_t count;
};

/* Makes room for `count` items in all. Returns 0 or -ENOMEM. */
must_check int hash_table_reserve(struct hash_table *t, size_t count);

/* Returns 0 or -ENOMEM. `item` is not NULL. */
must_check int hash_table_add(struct hash_table *t, uint64_t hash, void *item);

/* Removes `item` under `hash`; nothing happens when it is not there. */
void hash_table_remove(struct hash_table *t, uint64_t hash, const void *item);

/* The first item under `hash` for which same() holds, or NULL. */
void *hash_table_find(const struct hash_table *t, uint64_t hash,
    bool (*same)(const void *item, const void *key), const void *key);

/* Empties the table and keeps its room. The items are the caller's. */
void hash_table_wipe(struct hash_table *t);

/* Empties the table and gives its memory back. The items are the caller's. */
void hash_table_clear(struct hash_table *t);

/* Hashes bytes; `seed` keeps kinds of keys apart. Not for hostile input. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

#endif
