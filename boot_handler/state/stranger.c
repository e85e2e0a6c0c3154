#include "boot_handler/state/stranger.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "boot_handler/state/stranger_inside.h"
#include "lib/base/cleanup.h"
#include "lib/machine/machine.h"

#define RING STRANGERS_MAX
#define NOBODY STRANGERS_MAX

/* ---- found by what they show ------------------------------------------------------------- */

enum id_kind { ID_MAC, ID_UUID, ID_SERIAL };

struct id {
	enum id_kind kind;
	const void *value;
};

static uint64_t id_hash(const struct strangers *t, const struct id *id)
{
	size_t len = id->kind == ID_MAC ? sizeof(struct mac) : strlen(id->value);
	uint64_t seed = t->seed + (uint64_t)id->kind;

	return id->kind == ID_SERIAL ? smbios_serial_hash(id->value, seed)
				     : hash_bytes(id->value, len, seed);
}

static bool has_mac(const struct stranger *s, const struct mac *mac)
{
	for (int i = 0; i < STRANGER_MACS; i++)
		if (mac_equal(&s->mac[i], mac))
			return true;
	return false;
}

static bool has_id(const void *item, const void *key)
{
	const struct stranger *s = &((const struct stranger_place *)item)->is;
	const struct id *id = key;

	switch (id->kind) {
	case ID_MAC:
		return has_mac(s, id->value);
	case ID_UUID:
		return strcmp(s->shown.uuid, id->value) == 0;
	case ID_SERIAL:
		return smbios_serial_same(s->shown.serial, id->value);
	}
	return false;
}

static struct stranger_place *find(const struct strangers *t, enum id_kind kind, const void *value)
{
	struct id id = {kind, value};

	return hash_table_find(&t->ids, id_hash(t, &id), has_id, &id);
}

/* What it can be found by; how many. */
static unsigned ids_of(const struct stranger *s, struct id ids[STRANGER_MACS + 2])
{
	unsigned n = 0;

	for (int i = 0; i < STRANGER_MACS; i++)
		if (mac_number(&s->mac[i]))
			ids[n++] = (struct id){ID_MAC, &s->mac[i]};
	if (s->shown.uuid[0])
		ids[n++] = (struct id){ID_UUID, s->shown.uuid};
	if (s->shown.serial[0])
		ids[n++] = (struct id){ID_SERIAL, s->shown.serial};
	return n;
}

static void unlist(struct strangers *t, struct stranger_place *p)
{
	struct id ids[STRANGER_MACS + 2];

	for (unsigned i = ids_of(&p->is, ids); i-- > 0;)
		hash_table_remove(&t->ids, id_hash(t, &ids[i]), p);
}

/* There is room for all: see strangers_new(). */
static void list(struct strangers *t, struct stranger_place *p)
{
	struct id ids[STRANGER_MACS + 2];

	for (unsigned i = ids_of(&p->is, ids); i-- > 0;)
		if (hash_table_add(&t->ids, id_hash(t, &ids[i]), p) < 0)
			return;
}

/* ---- places ------------------------------------------------------------------------------ */

static void leave_ring(struct strangers *t, struct stranger_place *p)
{
	t->places[p->before].after = p->after;
	t->places[p->after].before = p->before;
}

/* As the one seen last. */
static void enter_ring(struct strangers *t, struct stranger_place *p)
{
	struct stranger_place *ring = &t->places[RING];

	p->before = RING;
	p->after = ring->after;
	t->places[ring->after].before = p->is.slot;
	ring->after = p->is.slot;
}

void stranger_mark(struct strangers *t, struct stranger_place *p, enum stranger_dirt dirt)
{
	if (dirt <= p->dirt)
		return;
	if (dirt == STRANGER_URGENT)
		t->urgent++;
	p->dirt = dirt;
}

static void release(struct strangers *t, struct stranger_place *p)
{
	unlist(t, p);
	if (p->is.ignored)
		t->ignored--;
	else
		leave_ring(t, p);
	p->is = (struct stranger){.slot = p->is.slot};
	p->used = false;
	p->told = 0;
	stranger_set_due(t, p, false);
	p->after = t->free;
	t->free = p->is.slot;
	stranger_mark(t, p, STRANGER_LAZY);
}

/* A place for one more: that of the longest unseen where all are taken. Not all are ignored. */
static struct stranger_place *take_place(struct strangers *t)
{
	if (t->free == NOBODY)
		release(t, &t->places[t->places[RING].before]);
	struct stranger_place *p = &t->places[t->free];
	t->free = p->after;
	p->used = true;
	enter_ring(t, p);
	return p;
}

void strangers_chain_free(struct strangers *t)
{
	t->free = NOBODY;
	for (unsigned i = STRANGERS_MAX; i-- > 0;)
		if (!t->places[i].used) {
			t->places[i].after = t->free;
			t->free = i;
		}
}

void stranger_restore(struct strangers *t, const struct stranger *row)
{
	struct stranger_place *p;

	if (row->slot >= STRANGERS_MAX || t->places[row->slot].used)
		return;
	p = &t->places[row->slot];
	p->is = *row;
	p->used = true;
	if (row->ignored && t->ignored < STRANGERS_IGNORED_MAX)
		t->ignored++;
	else
		p->is.ignored = false;
	if (!p->is.ignored)
		enter_ring(t, p);
	list(t, p);
}

/* ---- seen -------------------------------------------------------------------------------- */

static void learn_mac(struct stranger *s, const struct mac *mac)
{
	int i = 0;

	while (i < STRANGER_MACS - 1 && !mac_equal(&s->mac[i], mac))
		i++;
	memmove(&s->mac[1], &s->mac[0], (size_t)i * sizeof(*mac));
	s->mac[0] = *mac;
}

/* What is not shown this time was not taken back. */
static void learn_shown(struct shown *known, const struct shown *now)
{
#define LEARN(member)                                                                              \
	if (now->member[0])                                                                        \
	memcpy(known->member, now->member, sizeof(known->member))
	LEARN(uuid);
	LEARN(serial);
	LEARN(arch);
	LEARN(platform);
	LEARN(version);
	LEARN(manufacturer);
	LEARN(product);
	LEARN(asset);
#undef LEARN
}

static void learn(struct stranger *s, const struct stranger_sight *sight)
{
	if (sight->mac)
		learn_mac(s, sight->mac);
	if (sight->shown)
		learn_shown(&s->shown, sight->shown);
	if (sight->loader)
		snprintf(s->shown.loader, sizeof(s->shown.loader), "%s", sight->loader);
	if (sight->chose) {
		snprintf(s->chosen, sizeof(s->chosen), "%s", sight->chose);
		s->chosen_at_ms = sight->now_ms;
	}
	if (sight->ip.s_addr)
		s->ip = sight->ip;
	if (ip6_is_set(&sight->ip6))
		s->ip6 = sight->ip6;
	if (sight->memory_bytes)
		s->memory_bytes = sight->memory_bytes;
	if (sight->disk_bytes)
		s->disk_bytes = sight->disk_bytes;
	if (!s->first_seen_ms)
		s->first_seen_ms = sight->now_ms;
	s->last_seen_ms = sight->now_ms;
	if (!sight->goes_on || s->asked == 0)
		s->asked++;
}

/* Makers give one serial number to many machines, with a UUID of its own each. */
static struct stranger_place *find_by_what_it_shows(
    const struct strangers *t, const struct shown *shown)
{
	struct stranger_place *p = NULL;

	if (shown && shown->uuid[0])
		p = find(t, ID_UUID, shown->uuid);
	if (p || !shown || !shown->serial[0])
		return p;
	p = find(t, ID_SERIAL, shown->serial);
	return p && p->is.shown.uuid[0] && shown->uuid[0] ? NULL : p;
}

/* A card of which only DHCP had told turns out to be another's: one machine from now on. What one
 * machine claims does not change what is known of another beyond that. */
static struct stranger_place *whose(struct strangers *t, const struct stranger_sight *sight)
{
	struct stranger_place *card = sight->mac ? find(t, ID_MAC, sight->mac) : NULL;
	struct stranger_place *machine = find_by_what_it_shows(t, sight->shown);

	if (!card || !machine || card == machine)
		return card ? card : machine;
	if (card->is.shown.loader[0] || card->is.ignored)
		return card;
	if (card->is.first_seen_ms < machine->is.first_seen_ms)
		machine->is.first_seen_ms = card->is.first_seen_ms;
	machine->is.asked += card->is.asked;
	release(t, card);
	return machine;
}

bool strangers_seen(struct strangers *t, const struct stranger_sight *sight)
{
	pthread_mutex_lock(&t->lock);
	struct stranger_place *p = whose(t, sight);
	bool is_new = !p;

	if (is_new)
		p = take_place(t);
	unlist(t, p);
	learn(&p->is, sight);
	list(t, p);
	if (!p->is.ignored) {
		leave_ring(t, p);
		enter_ring(t, p);
	}
	stranger_mark(t, p, STRANGER_LAZY);
	stranger_set_due(t, p, true);
	pthread_mutex_unlock(&t->lock);
	return is_new;
}

/* ---- asked for --------------------------------------------------------------------------- */

bool strangers_at(struct strangers *t, unsigned slot, struct stranger *out)
{
	pthread_mutex_lock(&t->lock);
	bool used = slot < STRANGERS_MAX && t->places[slot].used;
	if (used)
		*out = t->places[slot].is;
	pthread_mutex_unlock(&t->lock);
	return used;
}

void strangers_keep(struct strangers *t, const struct mac *mac)
{
	pthread_mutex_lock(&t->lock);
	struct stranger_place *p = find(t, ID_MAC, mac);
	if (p)
		stranger_mark(t, p, STRANGER_URGENT);
	pthread_mutex_unlock(&t->lock);
}

void strangers_forget(
    struct strangers *t, bool (*declared)(void *ctx, const struct stranger *stranger), void *ctx)
{
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		if (t->places[i].used && declared(ctx, &t->places[i].is))
			release(t, &t->places[i]);
	pthread_mutex_unlock(&t->lock);
}

bool stranger_is_called(const struct stranger *s, const char *id)
{
	struct mac mac;

	if (mac_parse(id, strlen(id), &mac, NULL) == 0 && has_mac(s, &mac))
		return true;
	return strcasecmp(s->shown.uuid, id) == 0 || strcasecmp(s->shown.serial, id) == 0;
}

static int find_called(
    struct strangers *t, const char *id, struct stranger_place **out, struct err *e)
{
	unsigned count = 0;

	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		if (t->places[i].used && stranger_is_called(&t->places[i].is, id)) {
			*out = &t->places[i];
			count++;
		}
	if (count == 0)
		return err_set(e, ENOENT,
		    "no machine without a definition has shown \"%s\": `vmlab machines` lists those that asked",
		    id);
	if (count > 1)
		return err_set(e, EBUSY,
		    "%u machines show \"%s\": name the one that is meant by its MAC address", count,
		    id);
	return 0;
}

static int set_ignored(struct strangers *t, struct stranger_place *p, bool ignore, struct err *e)
{
	if (p->is.ignored == ignore)
		return 0;
	if (ignore && t->ignored == STRANGERS_IGNORED_MAX)
		return err_set(e, EBUSY,
		    "%d machines are ignored, more cannot be: `vmlab ignore MAC --undo` makes room",
		    STRANGERS_IGNORED_MAX);
	p->is.ignored = ignore;
	if (ignore) {
		t->ignored++;
		leave_ring(t, p);
	} else {
		t->ignored--;
		enter_ring(t, p);
	}
	stranger_mark(t, p, STRANGER_URGENT);
	return 0;
}

int strangers_find(struct strangers *t, const char *id, struct stranger *out, struct err *e)
{
	struct stranger_place *p = NULL;

	pthread_mutex_lock(&t->lock);
	int r = find_called(t, id, &p, e);
	if (r == 0)
		*out = p->is;
	pthread_mutex_unlock(&t->lock);
	return r;
}

int strangers_ignore(
    struct strangers *t, const char *id, bool ignore, struct stranger *out, struct err *e)
{
	struct stranger_place *p = NULL;

	pthread_mutex_lock(&t->lock);
	int r = find_called(t, id, &p, e);
	if (r == 0)
		r = set_ignored(t, p, ignore, e);
	if (r == 0)
		*out = p->is;
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* ---- life -------------------------------------------------------------------------------- */

void strangers_free(struct strangers *t)
{
	if (!t)
		return;
	free(t->batch.rows);
	free(t->batch.gone);
	hash_table_clear(&t->ids);
	pthread_mutex_destroy(&t->lock);
	free(t->places);
	free(t);
}

static void cleanup_strangers(struct strangers **t)
{
	strangers_free(*t);
}

int strangers_new(struct strangers **out, struct err *e)
{
	_cleanup_(cleanup_strangers) struct strangers *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_init(&t->lock, NULL);
	t->places = calloc(STRANGERS_MAX + 1, sizeof(*t->places));
	if (!t->places || hash_table_reserve(&t->ids, STRANGERS_MAX * (STRANGER_MACS + 2)) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		return err_errno(e, "no random number");
	t->places[RING].before = t->places[RING].after = RING;
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		t->places[i].is.slot = i;
	strangers_chain_free(t);
	*out = steal_ptr(t);
	return 0;
}
