#include "boot_handler/state/order_file.h"

#include <stdlib.h>

#include "boot_handler/state/order_inside.h"
#include "lib/base/cleanup.h"

static bool due(void *ctx, bool last)
{
	struct orders *t = ctx;

	(void)last;
	for (size_t i = 0; i < t->rows_count; i++)
		order_clear(&t->rows[i]);
	t->rows_count = t->drops_count = 0;
	pthread_mutex_lock(&t->lock);
	struct order *rows = t->dirty ? realloc(t->rows, t->dirty * sizeof(*rows)) : NULL;
	if (rows) {
		t->rows = rows;
		for (size_t i = 0; i < t->count; i++)
			if (t->items[i].dirty) {
				t->items[i].dirty = false;
				order_copy(&t->items[i].is, &rows[t->rows_count++]);
			}
		t->dirty = 0;
	}
	free(t->drops);
	t->drops = steal_ptr(t->gone);
	t->drops_count = t->gone_count;
	t->gone_count = t->gone_room = 0;
	pthread_mutex_unlock(&t->lock);
	return t->rows_count + t->drops_count > 0;
}

static int put(void *ctx, struct db *db, struct err *e)
{
	struct orders *t = ctx;
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->rows_count; i++)
		r = db_put_order(db, &t->rows[i], e);
	for (size_t i = 0; r == 0 && i < t->drops_count; i++)
		r = db_drop_order(db, t->drops[i], e);
	return r;
}

/* A row that memory has forgotten since may come back with the file: it has ended, and goes again.
 */
static void failed(void *ctx)
{
	struct orders *t = ctx;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0, n = 0; i < t->count && n < t->rows_count; i++)
		if (t->items[i].is.id == t->rows[n].id) {
			order_mark(t, &t->items[i]);
			n++;
		} else if (t->items[i].is.id > t->rows[n].id) {
			n++;
			i--;
		}
	for (size_t i = 0; i < t->drops_count; i++)
		(void)order_gone(t, t->drops[i]);
	pthread_mutex_unlock(&t->lock);
}

struct writer_aside orders_aside(struct orders *t)
{
	return (struct writer_aside){t, due, put, failed};
}

static void load_one(void *ctx, const struct order *row)
{
	order_restore(ctx, row);
}

int orders_load(struct orders *t, struct db *db, struct err *e)
{
	return db_load_orders(db, load_one, t, e);
}
