#include "os_installer/backup/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned slots, filled, emptied; /* so far */
	bool ended, stopped, holding;
	int result;
	struct err err;
	uint8_t *memory;
	struct ring_slot slot[];
};

int ring_new(unsigned slots, size_t slot_bytes, struct ring **out, struct err *e)
{
	struct ring *r = calloc(1, sizeof(*r) + slots * sizeof(*r->slot));

	if (!r || !(r->memory = malloc(slots * slot_bytes))) {
		free(r);
		return err_set(e, ENOMEM, "out of memory");
	}
	r->slots = slots;
	for (unsigned i = 0; i < slots; i++)
		r->slot[i].data = r->memory + i * slot_bytes;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*out = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->memory);
	free(r);
}

int ring_take(struct ring *r, struct ring_slot **out)
{
	pthread_mutex_lock(&r->lock);
	while (!r->stopped && r->filled - r->emptied == r->slots)
		pthread_cond_wait(&r->changed, &r->lock);
	int result = r->stopped ? -ECANCELED : 0;
	*out = &r->slot[r->filled % r->slots];
	pthread_mutex_unlock(&r->lock);
	return result;
}

void ring_give(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->filled++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void ring_end(struct ring *r, int result, const struct err *e)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->result = result;
	if (result < 0)
		r->err = *e;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

int ring_next(struct ring *r, struct ring_slot **out, struct err *e)
{
	pthread_mutex_lock(&r->lock);
	if (r->holding) {
		r->emptied++;
		pthread_cond_broadcast(&r->changed);
	}
	while (!r->ended && r->filled == r->emptied)
		pthread_cond_wait(&r->changed, &r->lock);
	r->holding = r->filled != r->emptied;
	int result = r->holding ? 1 : r->result;
	if (r->holding)
		*out = &r->slot[r->emptied % r->slots];
	else if (result < 0)
		*e = r->err;
	pthread_mutex_unlock(&r->lock);
	return result;
}

void ring_stop(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->stopped = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}
