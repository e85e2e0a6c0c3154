/* loop.h - one epoll loop with timers: all that a simulation waits for. One thread. What moves many
 * bytes has its turn when nothing else is ready: the machines are one program here, and an answer
 * that waited behind the images of others would seem late. */
#ifndef VMLAB_SIMULATE_LOOP_H
#define VMLAB_SIMULATE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "vmlab/simulate/histogram.h"

/* Part of what has the descriptor; at the same place for as long as it is watched. */
struct loop_source {
	void (*ready)(struct loop_source *s, uint32_t events); /* of epoll_ctl(2) */
	bool bulk; /* many bytes come through it; does not change while it is watched */
};

/* Likewise; a zeroed one with `fired` is not set. */
struct loop_timer {
	void (*fired)(struct loop_timer *t);
	int64_t at_us;
	size_t place; /* in the heap, from 1; 0: not set */
};

struct loop {
	int epoll, bulk; /* that one is watched by the first */
	bool ended;
	struct loop_timer **heap;
	size_t count, room;
	struct histogram
	    late; /* how much later than asked for timers fired: the loop's own delay */
};

must_check int loop_open(struct loop *l, struct err *e);
void loop_close(struct loop *l);

/* Of CLOCK_MONOTONIC. */
int64_t loop_now_us(void);

/* Watches fd for `events`, from now on for these only. -errno of epoll_ctl(2). */
must_check int loop_watch(struct loop *l, int fd, uint32_t events, struct loop_source *s);
must_check int loop_change(struct loop *l, int fd, uint32_t events, struct loop_source *s);
void loop_forget(struct loop *l, int fd);

/* Sets it, whether it was set or not. False without memory. */
bool loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_us);
void loop_timer_stop(struct loop *l, struct loop_timer *t);

/* Until l->ended. What was forgotten in a round may still be ready in it: memory of sources and
 * timers outlives the loop. */
must_check int loop_run(struct loop *l, struct err *e);

#endif
