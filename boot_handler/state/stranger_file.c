#include "boot_handler/state/stranger_file.h"

#include <stdlib.h>

#include "boot_handler/state/stranger_inside.h"
#include "lib/base/clock.h"

static bool make_room(struct stranger_batch *b)
{
	if (!b->rows)
		b->rows = calloc(STRANGERS_MAX, sizeof(*b->rows));
	if (!b->gone)
		b->gone = calloc(STRANGERS_MAX, sizeof(*b->gone));
	return b->rows && b->gone;
}

static void take(struct strangers *t, struct stranger_place *p)
{
	struct stranger_batch *b = &t->batch;

	if (p->dirt == STRANGER_URGENT)
		t->urgent--;
	p->dirt = STRANGER_WRITTEN;
	if (p->used)
		b->rows[b->count++] = p->is;
	else
		b->gone[b->gone_count++] = (unsigned)(p - t->places);
}

/* Those that can wait, from where the last time ended. */
static void take_lazy(struct strangers *t, size_t most)
{
	for (unsigned n = 0; n < STRANGERS_MAX && most > 0; n++) {
		struct stranger_place *p = &t->places[t->cursor];

		t->cursor = (t->cursor + 1) % STRANGERS_MAX;
		if (p->dirt == STRANGER_WRITTEN)
			continue;
		take(t, p);
		most--;
	}
}

size_t strangers_collect(struct strangers *t, int64_t now_ms, bool all)
{
	struct stranger_batch *b = &t->batch;

	b->count = b->gone_count = 0;
	pthread_mutex_lock(&t->lock);
	bool due = all || now_ms < t->written_ms || now_ms - t->written_ms >= STRANGERS_EVERY_MS;
	if ((due || t->urgent > 0) && make_room(b)) {
		for (unsigned i = 0; i < STRANGERS_MAX && t->urgent > 0; i++)
			if (t->places[i].dirt == STRANGER_URGENT)
				take(t, &t->places[i]);
		if (due) {
			take_lazy(t, all ? STRANGERS_MAX : STRANGERS_A_MINUTE);
			t->written_ms = now_ms;
		}
	}
	pthread_mutex_unlock(&t->lock);
	return b->count + b->gone_count;
}

static bool due(void *ctx, bool last)
{
	return strangers_collect(ctx, wall_ms(), last) > 0;
}

static int put(void *ctx, struct db *db, struct err *e)
{
	const struct stranger_batch *b = &((struct strangers *)ctx)->batch;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->count; i++)
		r = db_put_stranger(db, &b->rows[i], e);
	for (size_t i = 0; r == 0 && i < b->gone_count; i++)
		r = db_drop_stranger(db, b->gone[i], e);
	return r;
}

static void failed(void *ctx)
{
	struct strangers *t = ctx;
	struct stranger_batch *b = &t->batch;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < b->count; i++)
		stranger_mark(t, &t->places[b->rows[i].slot], STRANGER_URGENT);
	for (size_t i = 0; i < b->gone_count; i++)
		stranger_mark(t, &t->places[b->gone[i]], STRANGER_URGENT);
	pthread_mutex_unlock(&t->lock);
}

struct writer_aside strangers_aside(struct strangers *t)
{
	return (struct writer_aside){t, due, put, failed};
}

static void load_one(void *ctx, const struct stranger *row)
{
	stranger_restore(ctx, row);
}

int strangers_load(struct strangers *t, struct db *db, struct err *e)
{
	int r = db_load_strangers(db, load_one, t, e);

	strangers_chain_free(t);
	t->written_ms = wall_ms();
	return r;
}
