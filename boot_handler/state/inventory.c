#include "boot_handler/state/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/inventory_inside.h"

/* An order may ask for it, and the machine may start over and over. */
static const struct pace_rule pace = {.free = 20, .first_ms = 1000, .most_ms = 60000};

/* All that no definition has, together: a hall full of them may be switched on at once. */
static const struct pace_rule strangers_pace = {.free = 1000, .first_ms = 1000, .most_ms = 1000};

/* ---- found ------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct mac *mac)
{
	return hash_bytes(mac, sizeof(*mac), 0);
}

static bool has_mac(const void *item, const void *key)
{
	return mac_equal(&((const struct inventory_kept *)item)->mac, key);
}

static struct inventory_kept *find(const struct inventories *t, const struct mac *mac)
{
	return hash_table_find(&t->by_mac, hash_of(mac), has_mac, mac);
}

static struct inventory_kept *find_or_make(struct inventories *t, const struct mac *mac)
{
	struct inventory_kept *k = find(t, mac);

	if (k)
		return k;
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct inventory_kept **bigger = realloc(t->machines, room * sizeof(*bigger));
		if (!bigger)
			return NULL;
		t->machines = bigger;
		t->room = room;
	}
	k = calloc(1, sizeof(*k));
	if (!k || hash_table_add(&t->by_mac, hash_of(mac), k) < 0) {
		free(k);
		return NULL;
	}
	k->mac = *mac;
	k->index = t->count;
	t->machines[t->count++] = k;
	return k;
}

static void forget(struct inventories *t, struct inventory_kept *k)
{
	hash_table_remove(&t->by_mac, hash_of(&k->mac), k);
	t->machines[k->index] = t->machines[--t->count];
	t->machines[k->index]->index = k->index;
	free(k);
}

/* ---- changes ----------------------------------------------------------------------------- */

/* Takes over `text`. */
static int queue(struct inventories *t, const struct inventory_row *row, char *text)
{
	struct inventory_change *c = calloc(1, sizeof(*c));

	if (!c) {
		free(text);
		return -ENOMEM;
	}
	c->row = *row;
	c->text = text;
	*t->end = c;
	t->end = &c->next;
	if (text)
		t->queued_bytes += (size_t)row->bytes;
	return 0;
}

/* Of what the file has and memory has not, the file is told again by the next start. */
static void drop(struct inventories *t, struct inventory_kept *k, unsigned at)
{
	struct inventory_row gone = {.id = k->row[at].id};

	t->bytes -= k->row[at].bytes;
	memmove(&k->row[at], &k->row[at + 1], (k->count - at - 1) * sizeof(k->row[0]));
	k->count--;
	(void)queue(t, &gone, NULL);
}

/* Those that go first have the lower rank. */
static int rank(const struct inventory_kept *k, inventory_declared *declared, void *ctx)
{
	return k->count > 1 ? 0 : declared && declared(ctx, &k->mac) ? 2 : 1;
}

static struct inventory_kept *victim(struct inventories *t, const struct inventory_kept *not_this,
    inventory_declared *declared, void *ctx)
{
	struct inventory_kept *found = NULL;
	int lowest = 3;

	for (size_t i = 0; i < t->count; i++) {
		struct inventory_kept *k = t->machines[i];
		int its = k == not_this && k->count == 1 ? 3 : rank(k, declared, ctx);
		if (its < lowest ||
		    (found && its == lowest &&
			k->row[k->count - 1].seen_ms < found->row[found->count - 1].seen_ms)) {
			found = k;
			lowest = its;
		}
	}
	return found;
}

static void make_room(struct inventories *t, const struct inventory_kept *newest,
    inventory_declared *declared, void *ctx)
{
	struct inventory_kept *k;

	while (t->bytes > t->bytes_max && (k = victim(t, newest, declared, ctx))) {
		drop(t, k, k->count - 1);
		if (k->count == 0)
			forget(t, k);
	}
}

static void put_first(
    struct inventories *t, struct inventory_kept *k, const struct inventory_row *row)
{
	if (k->count == INVENTORIES_OF_ONE)
		drop(t, k, k->count - 1);
	memmove(&k->row[1], &k->row[0], k->count * sizeof(k->row[0]));
	k->row[0] = *row;
	k->count++;
	t->bytes += row->bytes;
}

static int check(struct inventories *t, const struct inventory_kept *k, bool is_declared,
    int64_t now_ms, struct err *e)
{
	int64_t wait = k ? pace_wait_ms(&k->pace, &pace, now_ms) : 0;

	if (!k)
		return err_set(e, ENOMEM, "out of memory");
	if (wait > 0)
		return err_set(e, EBUSY,
		    "this machine tells its inventory over and over: the next is taken in %lld s",
		    (long long)(wait / 1000 + 1));
	if (!is_declared && pace_wait_ms(&t->strangers, &strangers_pace, now_ms) > 0)
		return err_set(e, EBUSY,
		    "very many machines without a definition tell their inventory: try again later");
	if (t->queued_bytes > INVENTORIES_QUEUE_BYTES)
		return err_set(
		    e, ENOSPC, "the state file cannot be written at the moment: try again later");
	if (!is_declared)
		pace_take(&t->strangers, &strangers_pace, now_ms);
	return 0;
}

static int take(struct inventories *t, struct inventory_kept *k, char *text, int64_t now_ms)
{
	size_t len = strlen(text);
	struct inventory_row row = {.mac = k->mac,
	    .at_ms = now_ms,
	    .seen_ms = now_ms,
	    .bytes = (int64_t)len,
	    .hash = (int64_t)hash_bytes(text, len, 0)};

	pace_take(&k->pace, &pace, now_ms);
	if (k->count > 0 && k->row[0].hash == row.hash && k->row[0].bytes == row.bytes) {
		free(text);
		k->row[0].seen_ms = now_ms;
		(void)queue(t, &k->row[0], NULL);
		return INVENTORY_SAME;
	}
	row.id = ++t->last_id;
	if (queue(t, &row, text) < 0)
		return -ENOMEM;
	put_first(t, k, &row);
	return 0;
}

int inventories_take(struct inventories *t, const struct mac *mac, char *text, int64_t now_ms,
    inventory_declared *declared, void *ctx, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	struct inventory_kept *k = find_or_make(t, mac);
	int r = check(t, k, declared && declared(ctx, mac), now_ms, e);
	if (r < 0)
		free(text);
	else if ((r = take(t, k, text, now_ms)) < 0)
		err_set(e, ENOMEM, "out of memory");
	if (k && k->count == 0)
		forget(t, k);
	else if (r == 0)
		make_room(t, k, declared, ctx);
	pthread_mutex_unlock(&t->lock);
	return r;
}

unsigned inventories_of(
    struct inventories *t, const struct mac *mac, struct inventory_row out[INVENTORIES_OF_ONE])
{
	pthread_mutex_lock(&t->lock);
	const struct inventory_kept *k = find(t, mac);
	unsigned n = k ? k->count : 0;
	if (k)
		memcpy(out, k->row, n * sizeof(out[0]));
	pthread_mutex_unlock(&t->lock);
	return n;
}

void inventory_restore(struct inventories *t, const struct inventory_row *row)
{
	struct inventory_kept *k = find_or_make(t, &row->mac);

	if (k)
		put_first(t, k, row);
	t->last_id = row->id;
}

void inventory_free_changes(struct inventory_change *c)
{
	while (c) {
		struct inventory_change *next = c->next;
		free(c->text);
		free(c);
		c = next;
	}
}

/* ---- life -------------------------------------------------------------------------------- */

int inventories_new(int64_t bytes_max, struct inventories **out, struct err *e)
{
	struct inventories *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_init(&t->lock, NULL);
	t->bytes_max = bytes_max;
	t->end = &t->first;
	*out = t;
	return 0;
}

void inventories_free(struct inventories *t)
{
	if (!t)
		return;
	inventory_free_changes(t->writing);
	inventory_free_changes(t->first);
	for (size_t i = 0; i < t->count; i++)
		free(t->machines[i]);
	free(t->machines);
	hash_table_clear(&t->by_mac);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
