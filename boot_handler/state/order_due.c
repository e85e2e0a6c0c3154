/* order_due.c - what a machine's next boot is for, and whether its agent is there. */
#include <stdio.h>
#include <string.h>

#include "boot_handler/state/order_inside.h"

#define PROBES 4

/* ---- agents heard of ----------------------------------------------------------------------- */

/* Its place, or else one that is free, or that of who was heard of longest ago. */
static struct order_agent *place_of(struct orders *t, uint64_t mac)
{
	struct order_agent *oldest = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct order_agent *a = &t->agents[(mac + i) % ORDER_AGENTS];
		if (a->mac == mac)
			return a;
		if (!oldest || a->at_ms < oldest->at_ms)
			oldest = a;
	}
	oldest->mac = mac;
	oldest->since_ms = oldest->at_ms = 0;
	return oldest;
}

static bool is_there(const struct order_agent *a, int64_t now_ms)
{
	return a->since_ms && a->at_ms + ORDER_HEARD_MS > now_ms;
}

static void hear(struct order_agent *a, int64_t now_ms)
{
	if (now_ms == 0 || !is_there(a, now_ms))
		a->since_ms = now_ms;
	if (now_ms)
		a->at_ms = now_ms;
}

void order_hear(struct orders *t, const struct order_cards *cards, int64_t now_ms)
{
	for (unsigned i = 0; i < cards->count; i++)
		if (mac_number(&cards->mac[i]))
			hear(place_of(t, mac_number(&cards->mac[i])), now_ms);
}

void orders_hear(struct orders *t, const struct order_cards *cards, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	order_hear(t, cards, now_ms);
	pthread_mutex_unlock(&t->lock);
}

/* NULL: it was never heard of, or long ago. */
static struct order_agent *agent_of(const struct orders *t, const struct mac *mac)
{
	uint64_t number = mac_number(mac);

	for (unsigned i = 0; number && i < PROBES; i++)
		if (t->agents[(number + i) % ORDER_AGENTS].mac == number)
			return (struct order_agent *)&t->agents[(number + i) % ORDER_AGENTS];
	return NULL;
}

int64_t order_heard_ms(const struct orders *t, const struct order_cards *cards)
{
	int64_t newest = 0;

	for (unsigned i = 0; i < cards->count; i++) {
		const struct order_agent *a = agent_of(t, &cards->mac[i]);
		if (a && a->at_ms > newest)
			newest = a->at_ms;
	}
	return newest;
}

int64_t orders_heard(struct orders *t, const struct order_cards *cards, int64_t now_ms)
{
	int64_t since_ms = 0;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < cards->count; i++) {
		const struct order_agent *a = agent_of(t, &cards->mac[i]);
		if (a && is_there(a, now_ms) && (!since_ms || a->since_ms < since_ms))
			since_ms = a->since_ms;
	}
	pthread_mutex_unlock(&t->lock);
	return since_ms;
}

int64_t orders_silent_ms(struct orders *t, const struct order_cards *cards, int64_t now_ms)
{
	pthread_mutex_lock(&t->lock);
	int64_t at_ms = order_heard_ms(t, cards);
	pthread_mutex_unlock(&t->lock);
	return now_ms - (at_ms ? at_ms : t->began_ms);
}

/* ---- what a boot is for -------------------------------------------------------------------- */

static bool none_due(struct orders *t, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		if (atomic_load_explicit(&t->due[mac_number(&cards->mac[i]) % ORDER_DUE_SLOTS],
			memory_order_relaxed))
			return false;
	return true;
}

static enum order_due due_of(const struct order *o, char image[IMAGE_NAME_SIZE])
{
	const char *name = json_string_value(json_object_get(o->args, "image"));

	if (!o->boot_due)
		return ORDER_DUE_AGENT;
	if (order_row(o->action)->then == ORDER_THEN_DISK || !name)
		return ORDER_DUE_DISK;
	snprintf(image, IMAGE_NAME_SIZE, "%s", name);
	return ORDER_DUE_IMAGE;
}

enum order_due orders_due(
    struct orders *t, const struct order_cards *cards, char image[IMAGE_NAME_SIZE])
{
	enum order_due due = ORDER_DUE_NOTHING;

	image[0] = '\0';
	if (none_due(t, cards))
		return due;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++) {
		const struct order_kept *k = &t->items[i];
		if (k->due && !k->fresh && order_is_for(&k->is, cards) &&
		    (due == ORDER_DUE_NOTHING || k->is.boot_due))
			due = due_of(&k->is, image);
	}
	pthread_mutex_unlock(&t->lock);
	return due;
}

static bool none_known(struct orders *t, const struct order_cards *cards)
{
	for (unsigned i = 0; i < cards->count; i++)
		if (agent_of(t, &cards->mac[i]))
			return false;
	return true;
}

void orders_asked(struct orders *t, const struct order_cards *cards, bool once)
{
	if (!once && none_known(t, cards))
		return;
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < cards->count; i++) {
		struct order_agent *a = agent_of(t, &cards->mac[i]);
		if (a)
			a->since_ms = 0;
	}
	for (size_t i = 0; once && i < t->count; i++) {
		struct order_kept *k = &t->items[i];
		if (!k->is.boot_due || !order_is_for(&k->is, cards))
			continue;
		k->is.boot_due = false;
		order_mark(t, k);
	}
	pthread_mutex_unlock(&t->lock);
}

bool orders_current(struct orders *t, const struct order_cards *cards, struct order *out)
{
	bool found = false;

	if (none_due(t, cards))
		return false;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count && !found; i++) {
		const struct order_kept *k = &t->items[i];
		found = order_is_open(&k->is) && !k->fresh && order_is_for(&k->is, cards);
		if (found)
			order_copy(&k->is, out);
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}
