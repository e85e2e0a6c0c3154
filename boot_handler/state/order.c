#include "boot_handler/state/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/order_inside.h"
#include "lib/base/text.h"

static bool is_open(const struct order *o)
{
	return o->state == ORDER_WAITING || o->state == ORDER_RUNNING;
}

static bool is_for(const struct order *o, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		if (mac_equal(&o->mac, &cards->mac[i]))
			return true;
	return false;
}

void order_mark(struct orders *t, struct order_kept *k)
{
	t->dirty += !k->dirty;
	k->dirty = true;
}

static void set_disk_due(struct orders *t, struct order *o, bool due)
{
	if (due != o->disk_due)
		atomic_fetch_add(&t->disks_due, due ? 1 : -1u);
	o->disk_due = due;
}

static void end(struct orders *t, struct order_kept *k, bool ok, const char *text, int64_t now_ms)
{
	k->is.state = ok ? ORDER_DONE : ORDER_FAILED;
	k->is.ended_ms = now_ms;
	text_copy_clean(text, k->is.text, sizeof(k->is.text));
	set_disk_due(t, &k->is, ok && k->is.action == ORDER_LOCAL);
	t->open--;
	order_mark(t, k);
}

/* ---- room -------------------------------------------------------------------------------- */

static int grow(void **items, size_t *room, size_t count, size_t size)
{
	if (count < *room)
		return 0;
	size_t more = *room ? *room * 2 : 64;
	void *bigger = realloc(*items, more * size);

	if (!bigger)
		return -ENOMEM;
	*items = bigger;
	*room = more;
	return 0;
}

bool order_gone(struct orders *t, int64_t id)
{
	if (grow((void **)&t->gone, &t->gone_room, t->gone_count, sizeof(*t->gone)) < 0)
		return false;
	t->gone[t->gone_count++] = id;
	return true;
}

/* False: all are open. */
static bool forget_oldest(struct orders *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct order_kept *k = &t->items[i];
		if (is_open(&k->is))
			continue;
		if (!order_gone(t, k->is.id))
			return false;
		set_disk_due(t, &k->is, false);
		t->dirty -= k->dirty;
		memmove(k, k + 1, (t->count - i - 1) * sizeof(*k));
		t->count--;
		return true;
	}
	return false;
}

static int check_room(struct orders *t, const struct mac *mac, struct err *e)
{
	unsigned open = 0;

	for (size_t i = 0; i < t->count; i++)
		open += is_open(&t->items[i].is) && mac_equal(&t->items[i].is.mac, mac);
	if (open >= ORDERS_OPEN_MAX)
		return err_set(e, EBUSY,
		    "%d orders for this machine have not ended yet: it does them once it runs the agent",
		    ORDERS_OPEN_MAX);
	if (t->count >= ORDERS_MAX && !forget_oldest(t))
		return err_set(
		    e, EBUSY, "%d orders have not ended yet, more are not kept", ORDERS_MAX);
	if (grow((void **)&t->items, &t->room, t->count, sizeof(*t->items)) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

/* ---- their way --------------------------------------------------------------------------- */

int orders_add(struct orders *t, const struct mac *mac, const char *vm, enum order_action action,
    int64_t now_ms, struct order *out, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	int r = check_room(t, mac, e);
	if (r == 0) {
		struct order_kept *k = &t->items[t->count++];
		*k = (struct order_kept){
		    .is = {
			.id = ++t->last_id, .mac = *mac, .action = action, .created_ms = now_ms}};
		snprintf(k->is.vm, sizeof(k->is.vm), "%s", vm);
		t->open++;
		order_mark(t, k);
		*out = k->is;
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

bool orders_give(
    struct orders *t, const struct order_cards *cards, int64_t now_ms, struct order *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count && t->open > 0 && !found; i++) {
		struct order_kept *k = &t->items[i];
		if (!is_open(&k->is) || !is_for(&k->is, cards))
			continue;
		if (k->is.given == ORDER_GIVEN_MAX) {
			end(t, k, false, "the agent got it three times and did not tell its end",
			    now_ms);
			continue;
		}
		if (k->is.given++ == 0)
			k->is.begun_ms = now_ms;
		k->is.state = ORDER_RUNNING;
		order_mark(t, k);
		*out = k->is;
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

int orders_end(struct orders *t, const struct order_cards *cards, int64_t id, bool ok,
    const char *text, int64_t now_ms, struct order *out, struct err *e)
{
	int r = -ENOENT;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++) {
		struct order_kept *k = &t->items[i];
		if (k->is.id != id || !is_for(&k->is, cards))
			continue;
		r = !is_open(&k->is) ? ORDER_ENDED_BEFORE : k->is.given ? 0 : -EBUSY;
		if (r == 0)
			end(t, k, ok, text, now_ms);
		*out = k->is;
	}
	pthread_mutex_unlock(&t->lock);
	if (r == -EBUSY)
		return err_set(e, EBUSY,
		    "order %lld cannot have ended: this machine has not been given it yet",
		    (long long)id);
	return r == -ENOENT ? err_set(e, ENOENT, "this machine has no order %lld", (long long)id)
			    : r;
}

bool orders_disk_due(struct orders *t, const struct order_cards *cards, bool now)
{
	bool due = false;

	if (atomic_load_explicit(&t->disks_due, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++) {
		struct order_kept *k = &t->items[i];
		if (!k->is.disk_due || !is_for(&k->is, cards))
			continue;
		due = true;
		if (now) {
			set_disk_due(t, &k->is, false);
			order_mark(t, k);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return due;
}

unsigned orders_of(
    struct orders *t, const struct order_cards *cards, struct order *out, unsigned most)
{
	unsigned n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = t->count; i-- > 0 && n < most;)
		if (is_for(&t->items[i].is, cards))
			out[n++] = t->items[i].is;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void order_restore(struct orders *t, const struct order *row)
{
	if (t->count >= ORDERS_MAX && !forget_oldest(t))
		return;
	if (grow((void **)&t->items, &t->room, t->count, sizeof(*t->items)) < 0)
		return;
	t->items[t->count++] = (struct order_kept){.is = *row};
	t->last_id = row->id;
	t->open += is_open(row);
	if (row->disk_due)
		atomic_fetch_add(&t->disks_due, 1);
}

/* ---- life -------------------------------------------------------------------------------- */

int orders_new(struct orders **out, struct err *e)
{
	struct orders *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return 0;
}

void orders_free(struct orders *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->items);
	free(t->gone);
	free(t->rows);
	free(t->drops);
	free(t);
}
