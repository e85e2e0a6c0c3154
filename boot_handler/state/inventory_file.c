#include "boot_handler/state/inventory_file.h"

#include "boot_handler/state/inventory_inside.h"
#include "lib/base/cleanup.h"

/* What was set aside before is written by now. */
static bool due(void *ctx, bool last)
{
	struct inventories *t = ctx;

	(void)last;
	inventory_free_changes(t->writing);
	pthread_mutex_lock(&t->lock);
	t->writing = t->first;
	t->first = NULL;
	t->end = &t->first;
	t->queued_bytes = 0;
	pthread_mutex_unlock(&t->lock);
	return t->writing != NULL;
}

static int put(void *ctx, struct db *db, struct err *e)
{
	struct inventories *t = ctx;
	int r = 0;

	for (const struct inventory_change *c = t->writing; r == 0 && c; c = c->next)
		if (c->text)
			r = db_put_inventory(db, &c->row, c->text, e);
		else if (c->row.at_ms)
			r = db_see_inventory(db, c->row.id, c->row.seen_ms, e);
		else
			r = db_drop_inventory(db, c->row.id, e);
	return r;
}

static void failed(void *ctx)
{
	struct inventories *t = ctx;
	struct inventory_change **last = &t->writing;

	pthread_mutex_lock(&t->lock);
	for (; *last; last = &(*last)->next)
		t->queued_bytes += (*last)->text ? (size_t)(*last)->row.bytes : 0;
	*last = t->first;
	if (t->end == &t->first)
		t->end = last == &t->writing ? &t->first : last;
	t->first = steal_ptr(t->writing);
	pthread_mutex_unlock(&t->lock);
}

struct writer_aside inventories_aside(struct inventories *t)
{
	return (struct writer_aside){t, due, put, failed};
}

static void load_one(void *ctx, const struct inventory_row *row)
{
	inventory_restore(ctx, row);
}

int inventories_load(struct inventories *t, struct db *db, struct err *e)
{
	return db_load_inventories(db, load_one, t, e);
}
