#include "vmlab/simulate/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define BULK_AT_ONCE 4 /* between two looks at the others */
#define IDLE_MS 1000

int64_t loop_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int loop_open(struct loop *l, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	*l = (struct loop){
	    .epoll = epoll_create1(EPOLL_CLOEXEC), .bulk = epoll_create1(EPOLL_CLOEXEC)};
	if (l->epoll < 0 || l->bulk < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->bulk, &ev) < 0)
		return err_errno(e, "epoll_create1");
	return 0;
}

void loop_close(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->bulk >= 0)
		close(l->bulk);
	free(l->heap);
	*l = (struct loop){.epoll = -1, .bulk = -1};
}

static int control(struct loop *l, int op, int fd, uint32_t events, struct loop_source *s)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(s->bulk ? l->bulk : l->epoll, op, fd, &ev) < 0 ? -errno : 0;
}

int loop_watch(struct loop *l, int fd, uint32_t events, struct loop_source *s)
{
	return control(l, EPOLL_CTL_ADD, fd, events, s);
}

int loop_change(struct loop *l, int fd, uint32_t events, struct loop_source *s)
{
	return control(l, EPOLL_CTL_MOD, fd, events, s);
}

void loop_forget(struct loop *l, int fd)
{
	if (epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL) < 0)
		(void)epoll_ctl(l->bulk, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- timers: a binary heap, the next one first --------------------------------------------- */

static void put(struct loop *l, size_t at, struct loop_timer *t)
{
	l->heap[at] = t;
	t->place = at + 1;
}

static void up(struct loop *l, size_t at)
{
	struct loop_timer *t = l->heap[at];

	for (; at > 0 && l->heap[(at - 1) / 2]->at_us > t->at_us; at = (at - 1) / 2)
		put(l, at, l->heap[(at - 1) / 2]);
	put(l, at, t);
}

static void down(struct loop *l, size_t at)
{
	struct loop_timer *t = l->heap[at];

	for (size_t child; (child = 2 * at + 1) < l->count; at = child) {
		if (child + 1 < l->count && l->heap[child + 1]->at_us < l->heap[child]->at_us)
			child++;
		if (l->heap[child]->at_us >= t->at_us)
			break;
		put(l, at, l->heap[child]);
	}
	put(l, at, t);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	size_t at = t->place - 1;

	if (!t->place)
		return;
	t->place = 0;
	struct loop_timer *last = l->heap[--l->count];
	if (last == t)
		return;
	put(l, at, last);
	up(l, at);
	down(l, last->place - 1);
}

bool loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_us)
{
	loop_timer_stop(l, t);
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		void *grown = reallocarray(l->heap, room, sizeof(*l->heap));
		if (!grown)
			return false;
		l->heap = grown;
		l->room = room;
	}
	t->at_us = at_us;
	put(l, l->count++, t);
	up(l, l->count - 1);
	return true;
}

static void fire(struct loop *l)
{
	int64_t now = loop_now_us();

	/* Those that are set meanwhile have their turn in the next round. */
	for (size_t n = l->count; n > 0 && l->count > 0 && l->heap[0]->at_us <= now; n--) {
		struct loop_timer *t = l->heap[0];
		loop_timer_stop(l, t);
		histogram_add(&l->late, now - t->at_us);
		t->fired(t);
	}
}

static int wait_ms(const struct loop *l)
{
	int64_t left_us = l->count > 0 ? l->heap[0]->at_us - loop_now_us() : IDLE_MS * 1000;

	if (left_us <= 0)
		return 0;
	return left_us < IDLE_MS * 1000 ? (int)((left_us + 999) / 1000) : IDLE_MS;
}

/* Returns -errno, or the number of events that were taken care of. */
static int take_turn(int epoll, int most, int ms, bool *bulk)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(epoll, events, most, ms);

	for (int i = 0; i < n; i++) {
		struct loop_source *s = events[i].data.ptr;
		if (s)
			s->ready(s, events[i].events);
		else
			*bulk = true;
	}
	return n < 0 && errno != EINTR ? -errno : n;
}

int loop_run(struct loop *l, struct err *e)
{
	while (!l->ended) {
		bool bulk = false;
		int r = take_turn(l->epoll, EVENTS_AT_ONCE, wait_ms(l), &bulk);
		fire(l);
		if (r >= 0 && bulk)
			r = take_turn(l->bulk, BULK_AT_ONCE, 0, &bulk);
		if (r < 0)
			return err_set(e, -r, "epoll_wait: %s", strerror(-r));
	}
	return 0;
}
