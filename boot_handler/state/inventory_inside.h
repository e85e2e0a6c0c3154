/* inventory_inside.h - inside of inventory.h: what its files share. */
#ifndef BOOT_HANDLER_STATE_INVENTORY_INSIDE_H
#define BOOT_HANDLER_STATE_INVENTORY_INSIDE_H

#include <pthread.h>

#include "boot_handler/state/inventory.h"
#include "lib/base/hash_table.h"
#include "lib/base/pace.h"

struct inventory_kept {
	struct mac mac;
	unsigned count;
	struct inventory_row row[INVENTORIES_OF_ONE]; /* the newest first */
	struct pace pace;
	size_t index;
};

/* What the file is to be told. */
struct inventory_change {
	struct inventory_change *next;
	struct inventory_row row;
	char *text; /* NULL: it was told again, or, with an id alone, it goes */
};

struct inventories {
	pthread_mutex_t lock;
	struct inventory_kept **machines;
	size_t count, room;
	struct hash_table by_mac;
	int64_t bytes, bytes_max, last_id;
	struct pace strangers;
	struct inventory_change *first, **end;
	size_t queued_bytes;
	struct inventory_change *writing; /* the writer's thread only */
};

/* One of the file; the lowest id has to come first. */
void inventory_restore(struct inventories *t, const struct inventory_row *row);
void inventory_free_changes(struct inventory_change *c);

#endif
