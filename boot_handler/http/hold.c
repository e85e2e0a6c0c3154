#include "boot_handler/http/hold.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/clock.h"

struct holds {
	pthread_mutex_t lock;
	struct held *items[HOLD_MAX];
	unsigned count, few;
	uint64_t woken;
	int64_t next_ms; /* when the one who waits for `fd` comes; 0: not by itself */
	bool stopped;
	int fd;
};

/* Out of the list and back to its thread. */
static void let_go(struct holds *h, struct held *held, bool over)
{
	h->items[held->index] = h->items[--h->count];
	h->items[held->index]->index = held->index;
	h->few -= held->few;
	held->on = false;
	held->over |= over;
	MHD_resume_connection(held->connection);
}

static void displace(struct holds *h, uint64_t key)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->items[i]->key == key) {
			let_go(h, h->items[i], true);
			return;
		}
}

static void put(struct holds *h, struct held *held)
{
	MHD_suspend_connection(held->connection);
	held->on = true;
	held->index = h->count;
	h->items[h->count++] = held;
	h->few += held->few;
	if (h->next_ms == 0 || held->until_ms < h->next_ms)
		(void)eventfd_write(h->fd, 1);
}

enum hold holds_put(struct holds *h, struct held *held, uint64_t count)
{
	enum hold result = HOLD_IS;

	pthread_mutex_lock(&h->lock);
	displace(h, held->key);
	held->over |= h->stopped;
	if (held->over || h->woken != count)
		result = HOLD_LOOK_AGAIN;
	else if (h->count == HOLD_MAX || (held->few && h->few == HOLD_FEW_MAX))
		result = HOLD_FULL;
	else
		put(h, held);
	pthread_mutex_unlock(&h->lock);
	return result;
}

void holds_drop(struct holds *h, struct held *held)
{
	if (!held->on)
		return;
	pthread_mutex_lock(&h->lock);
	if (held->on)
		let_go(h, held, true);
	pthread_mutex_unlock(&h->lock);
}

uint64_t holds_count(struct holds *h)
{
	pthread_mutex_lock(&h->lock);
	uint64_t count = h->woken;
	pthread_mutex_unlock(&h->lock);
	return count;
}

void holds_wake(struct holds *h, uint64_t key)
{
	pthread_mutex_lock(&h->lock);
	h->woken++;
	for (unsigned i = 0; i < h->count; i++)
		if (h->items[i]->key == key) {
			let_go(h, h->items[i], false);
			break;
		}
	pthread_mutex_unlock(&h->lock);
}

int holds_round(struct holds *h)
{
	int64_t now = monotonic_ms();
	eventfd_t ignored;

	(void)eventfd_read(h->fd, &ignored);
	pthread_mutex_lock(&h->lock);
	h->next_ms = 0;
	for (unsigned i = h->count; i-- > 0;)
		if (h->items[i]->until_ms <= now)
			let_go(h, h->items[i], true);
	for (unsigned i = 0; i < h->count; i++)
		if (h->next_ms == 0 || h->items[i]->until_ms < h->next_ms)
			h->next_ms = h->items[i]->until_ms;
	int64_t left = h->next_ms ? h->next_ms - now : -1;
	pthread_mutex_unlock(&h->lock);
	return (int)left;
}

int holds_fd(const struct holds *h)
{
	return h->fd;
}

void holds_stop(struct holds *h)
{
	pthread_mutex_lock(&h->lock);
	h->stopped = true;
	while (h->count > 0)
		let_go(h, h->items[h->count - 1], true);
	pthread_mutex_unlock(&h->lock);
}

int holds_new(struct holds **out, struct err *e)
{
	struct holds *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, ENOMEM, "out of memory");
	h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->fd < 0) {
		free(h);
		return err_errno(e, "cannot make an eventfd");
	}
	pthread_mutex_init(&h->lock, NULL);
	*out = h;
	return 0;
}

void holds_free(struct holds *h)
{
	if (!h)
		return;
	close(h->fd);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
