/* order_inside.h - inside of order.h: what its files share. */
#ifndef BOOT_HANDLER_STATE_ORDER_INSIDE_H
#define BOOT_HANDLER_STATE_ORDER_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "boot_handler/state/order.h"

struct order_kept {
	struct order is;
	bool dirty; /* differs from its row in the state file */
};

struct orders {
	pthread_mutex_t lock;
	struct order_kept *items; /* by id */
	size_t count, room;
	int64_t last_id;
	unsigned dirty;
	unsigned open;
	atomic_uint disks_due; /* so that boots ask for nothing else */
	int64_t *gone;         /* rows of the file that memory has no more */
	size_t gone_count, gone_room;
	/* What is being written; the writer's thread only. */
	struct order *rows;
	size_t rows_count;
	int64_t *drops;
	size_t drops_count;
};

/* That row is to be written. */
void order_mark(struct orders *t, struct order_kept *k);
/* Its row in the file goes. False: out of memory. */
bool order_gone(struct orders *t, int64_t id);
/* One of the file; the lowest id has to come first. */
void order_restore(struct orders *t, const struct order *row);

#endif
