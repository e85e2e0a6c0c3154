#include "boot_handler/state/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/order_inside.h"
#include "lib/base/clock.h"

bool order_is_open(const struct order *o)
{
	return o->state == ORDER_WAITING || o->state == ORDER_RUNNING;
}

bool order_is_for(const struct order *o, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		if (mac_equal(&o->mac, &cards->mac[i]))
			return true;
	return false;
}

void order_copy(const struct order *from, struct order *to)
{
	*to = *from;
	json_incref(to->args);
	json_incref(to->figures);
}

void order_clear(struct order *o)
{
	json_decref(o->args);
	json_decref(o->figures);
	o->args = o->figures = NULL;
}

struct order_kept *order_kept_find(
    struct orders *t, const struct order_cards *cards, int64_t id, struct err *e)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->items[i].is.id == id && order_is_for(&t->items[i].is, cards))
			return &t->items[i];
	err_set(e, ENOENT, "this machine has no order %lld", (long long)id);
	return NULL;
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

/* Those of a list that is under way are all still needed. */
static bool may_go(const struct orders *t, const struct order_kept *k)
{
	bool may = !order_is_open(&k->is);

	for (size_t i = 0; i < t->count && may; i++) {
		const struct order_kept *o = &t->items[i];
		may = o->is.list != k->is.list || !(order_is_open(&o->is) || order_is_held(o));
	}
	return may;
}

void order_forget(struct orders *t, struct order_kept *k)
{
	k->is.state = ORDER_CANCELLED;
	k->is.boot_due = false;
	order_mark(t, k);
	t->dirty -= k->dirty;
	t->news -= k->news;
	t->bytes -= k->bytes;
	order_let_go(k);
	order_clear(&k->is);
	memmove(k, k + 1, (size_t)(t->items + t->count - k - 1) * sizeof(*k));
	t->count--;
}

/* False: all are open. */
static bool forget_oldest(struct orders *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct order_kept *k = &t->items[i];
		if (!may_go(t, k))
			continue;
		if (!order_gone(t, k->is.id))
			return false;
		order_forget(t, k);
		return true;
	}
	return false;
}

void order_make_bytes(struct orders *t)
{
	while (t->bytes > ORDERS_BYTES_MAX && forget_oldest(t))
		;
}

int order_check_open(const struct orders *t, const struct mac *mac, unsigned more, struct err *e)
{
	unsigned open = 0;

	for (size_t i = 0; i < t->count; i++)
		open += order_is_open(&t->items[i].is) && mac_equal(&t->items[i].is.mac, mac);
	if (open + more <= ORDERS_OPEN_MAX)
		return 0;
	return err_set(e, EBUSY,
	    "%u orders for this machine have not ended yet, and it has %d at most: it does them once it runs the agent",
	    open, ORDERS_OPEN_MAX);
}

static const char *made_name(const struct order *o)
{
	for (const struct order_arg *a = order_row(o->action)->args; a && a->name; a++)
		if (a->kind == ORDER_ARG_NAME)
			return json_string_value(json_object_get(o->args, a->name));
	return NULL;
}

int order_check_name(const struct orders *t, const struct order *o, struct err *e)
{
	const char *name = made_name(o);

	for (size_t i = 0; name && i < t->count; i++) {
		const struct order *other = &t->items[i].is;
		const char *taken = order_is_open(other) ? made_name(other) : NULL;
		char mac[MAC_TEXT_SIZE];
		if (taken && other->id != o->id && strcmp(taken, name) == 0)
			return err_set(e, EBUSY,
			    "order %lld of %s makes an image %s already: give this one another name",
			    (long long)other->id,
			    other->vm[0] ? other->vm : mac_format(&other->mac, mac), name);
	}
	return 0;
}

static int check_names(const struct orders *t, const struct order_list *list, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < list->count; i++) {
		const struct order o = {.action = list->wish[i].action, .args = list->wish[i].args};
		const char *name = made_name(&o);
		r = order_check_name(t, &o, e);
		for (unsigned n = 0; r == 0 && name && n < i; n++) {
			const char *earlier = made_name(&(struct order){
			    .action = list->wish[n].action, .args = list->wish[n].args});
			if (earlier && strcmp(earlier, name) == 0)
				r = err_set(e, EBUSY,
				    "two orders of the list make an image %s: give one of them another name",
				    name);
		}
	}
	return r;
}

static size_t bytes_of(const struct order *o)
{
	return (o->args ? json_dumpb(o->args, NULL, 0, JSON_COMPACT) : 0) +
	       (o->figures ? json_dumpb(o->figures, NULL, 0, JSON_COMPACT) : 0);
}

static int check_room(struct orders *t, unsigned more, size_t bytes, struct err *e)
{
	while (t->count + more > ORDERS_MAX || t->bytes + bytes > ORDERS_BYTES_MAX)
		if (!forget_oldest(t))
			return err_set(e, EBUSY,
			    "%zu orders have not ended yet, with %zu bytes of arguments: more are not kept",
			    t->count, t->bytes);
	for (unsigned i = 0; i < more; i++)
		if (grow((void **)&t->items, &t->room, t->count + i, sizeof(*t->items)) < 0)
			return err_set(e, ENOMEM, "out of memory");
	return 0;
}

/* ---- given ------------------------------------------------------------------------------- */

static size_t list_bytes(const struct order_list *list)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < list->count; i++)
		bytes += bytes_of(&(struct order){.args = list->wish[i].args});
	return bytes;
}

static void append(struct orders *t, const struct order *o)
{
	struct order_kept *k = &t->items[t->count++];

	*k = (struct order_kept){.bytes = bytes_of(o)};
	order_copy(o, &k->is);
	t->bytes += k->bytes;
	t->open += order_is_open(o);
	t->last_id = o->id;
}

int orders_add(struct orders *t, const struct mac *mac, const char *vm,
    const struct order_list *list, int64_t now_ms, struct order out[ORDER_LIST_MAX], struct err *e)
{
	size_t bytes = list_bytes(list);

	pthread_mutex_lock(&t->lock);
	int r = order_check_open(t, mac, list->count, e);
	if (r == 0)
		r = check_names(t, list, e);
	if (r == 0)
		r = check_room(t, list->count, bytes, e);
	int64_t first = t->last_id + 1;
	for (unsigned i = 0; r == 0 && i < list->count; i++) {
		const struct order_wish *wish = &list->wish[i];
		struct order o = {.id = first + i,
		    .list = first,
		    .mac = *mac,
		    .action = wish->action,
		    .created_ms = now_ms,
		    .timeout_s = wish->timeout_s,
		    .args = wish->args};
		snprintf(o.vm, sizeof(o.vm), "%s", vm);
		append(t, &o);
		t->items[t->count - 1].fresh = true;
		order_mark(t, &t->items[t->count - 1]);
		order_copy(&o, &out[i]);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

void order_restore(struct orders *t, const struct order *row)
{
	struct order o = *row;

	if (check_room(t, 1, bytes_of(row), NULL) < 0)
		return;
	if (o.list == 0)
		o.list = o.id;
	if (o.timeout_s == 0)
		o.timeout_s = order_row(o.action)->timeout_s;
	append(t, &o);
	order_mark(t, &t->items[t->count - 1]);
	t->items[t->count - 1].dirty = false;
	t->dirty--;
}

/* ---- asked for --------------------------------------------------------------------------- */

unsigned orders_of(
    struct orders *t, const struct order_cards *cards, struct order *out, unsigned most)
{
	unsigned n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = t->count; i-- > 0 && n < most;)
		if (order_is_for(&t->items[i].is, cards) && !t->items[i].fresh)
			order_copy(&t->items[i].is, &out[n++]);
	pthread_mutex_unlock(&t->lock);
	return n;
}

int orders_find(
    struct orders *t, const struct order_cards *cards, int64_t id, struct order *out, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	const struct order_kept *k = order_kept_find(t, cards, id, e);
	if (k)
		order_copy(&k->is, out);
	pthread_mutex_unlock(&t->lock);
	return k ? 0 : -ENOENT;
}

bool orders_news(struct orders *t, struct order *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count && t->news > 0 && !found; i++) {
		struct order_kept *k = &t->items[i];
		if (!k->news || order_is_held(k))
			continue;
		k->news = false;
		t->news--;
		order_copy(&k->is, out);
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

enum order_use orders_use(struct orders *t, int64_t id)
{
	enum order_use use = ORDER_USE_NONE;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++) {
		const struct order *o = &t->items[i].is;
		if (o->id == id && o->state != ORDER_DONE)
			use = order_is_open(o) ? ORDER_USE_OPEN : ORDER_USE_RESUMABLE;
	}
	pthread_mutex_unlock(&t->lock);
	return use;
}

/* ---- life -------------------------------------------------------------------------------- */

int orders_new(struct orders **out, struct err *e)
{
	struct orders *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_init(&t->lock, NULL);
	t->began_ms = wall_ms();
	*out = t;
	return 0;
}

void orders_free(struct orders *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		order_let_go(&t->items[i]);
		order_clear(&t->items[i].is);
	}
	for (size_t i = 0; i < t->rows_count; i++)
		order_clear(&t->rows[i]);
	pthread_mutex_destroy(&t->lock);
	free(t->items);
	free(t->gone);
	free(t->rows);
	free(t->drops);
	free(t);
}
