#include "boot_handler/state/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#define COALESCE_MS 15
#define LAZY_MS 60000
#define RETRY_MS 1000
#define FLUSH_WAIT_MS 3000
#define PRUNE_EVERY 10000 /* events: it reads all of them, while others wait to be written */
#define PRUNE_EVERY_MS ((int64_t)3600 * 1000)
#define ROWS_A_COMMIT 20000

struct log_item {
	struct log_item *next;
	struct mac mac;
	const char *what; /* NULL: it is a log */
	char *text;
};

/* What one commit writes, besides rows. */
struct batch {
	struct event *events;
	size_t count;
	size_t room;
	struct log_item *logs; /* written in this order: a later one replaces an earlier */
	bool probe;
};

struct writer {
	struct db *db;
	struct writer_source source;
	struct writer_aside aside[WRITER_ASIDES];
	pthread_t thread;

	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	pthread_cond_t done;
	struct batch queue;
	uint64_t last_event;
	uint64_t dropped;
	uint64_t asked; /* flushes asked for... */
	uint64_t ended; /* ...and the newest of them that was tried */
	bool kicked;
	bool stop;
	struct err last; /* code 0: the last commit went well */
	struct writer_listener listener;

	int64_t pruned_ms;  /* monotonic; 0: not yet */
	uint64_t pruned_at; /* newest event then; writer's thread only, as are the following */
	bool was_bad;
	struct mac *macs; /* of the rows in the open transaction */
	size_t macs_room;
};

static void batch_clear(struct batch *b)
{
	while (b->logs) {
		struct log_item *next = b->logs->next;
		free(b->logs->text);
		free(b->logs);
		b->logs = next;
	}
	free(b->events);
	memset(b, 0, sizeof(*b));
}

static int put_batch(struct writer *w, const struct batch *b, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->count; i++)
		r = db_put_event(w->db, &b->events[i], e);
	for (const struct log_item *l = b->logs; r == 0 && l; l = l->next)
		r = l->what ? db_put_kept(w->db, &l->mac, l->what, l->text, e)
			    : db_put_log(w->db, &l->mac, l->text, e);
	if (r == 0 && b->probe)
		r = db_put_probe(w->db, e);
	return r;
}

static bool is_prune_due(const struct writer *w, const struct batch *b)
{
	return w->pruned_ms == 0 || monotonic_ms() - w->pruned_ms >= PRUNE_EVERY_MS ||
	       (b->count > 0 && b->events[b->count - 1].id >= w->pruned_at + PRUNE_EVERY);
}

static int prune(struct writer *w, const struct batch *b, struct err *e)
{
	w->pruned_ms = monotonic_ms();
	if (b->count > 0)
		w->pruned_at = b->events[b->count - 1].id;
	return db_prune(w->db, &DB_EVENTS_RETENTION, wall_ms(), e);
}

static int remember_mac(struct writer *w, size_t n, const struct mac *mac, struct err *e)
{
	if (n == w->macs_room) {
		size_t room = w->macs_room ? w->macs_room * 2 : 64;
		struct mac *bigger = realloc(w->macs, room * sizeof(*bigger));

		if (!bigger)
			return err_set(e, ENOMEM, "out of memory");
		w->macs = bigger;
		w->macs_room = room;
	}
	w->macs[n] = *mac;
	return 0;
}

/* Which of them have something to write, a bit each. */
static unsigned asides_due(struct writer *w, bool last)
{
	unsigned due = 0;

	for (unsigned i = 0; i < WRITER_ASIDES; i++)
		if (w->aside[i].due(w->aside[i].ctx, last))
			due |= 1u << i;
	return due;
}

static int put_asides(struct writer *w, unsigned due, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < WRITER_ASIDES; i++)
		if (due & 1u << i)
			r = w->aside[i].put(w->aside[i].ctx, w->db, e);
	return r;
}

static void asides_failed(struct writer *w, unsigned due)
{
	for (unsigned i = 0; i < WRITER_ASIDES; i++)
		if (due & 1u << i)
			w->aside[i].failed(w->aside[i].ctx);
}

/* One transaction. *more is set when rows were left for another one. */
static int write_once(struct writer *w, const struct batch *b, bool last, bool *more, struct err *e)
{
	struct machine_row row;
	size_t rows = 0;
	int r = 0;
	bool have = w->source.next(w->source.ctx, &row);
	unsigned asides = asides_due(w, last);
	bool prunes = is_prune_due(w, b);

	*more = false;
	if (!have && !asides && !prunes && b->count == 0 && !b->logs && !b->probe)
		return 0;
	r = db_begin(w->db, e);
	bool begun = r == 0;
	while (have) {
		int room = remember_mac(w, rows, &row.mac, e);
		if (room < 0) {
			w->source.failed(w->source.ctx, &row.mac);
			r = room;
			break;
		}
		rows++;
		if (r == 0)
			r = db_put_row(w->db, &row, e);
		if (r < 0)
			break;
		if (rows == ROWS_A_COMMIT) {
			*more = true;
			break;
		}
		have = w->source.next(w->source.ctx, &row);
	}
	if (r == 0)
		r = put_batch(w, b, e);
	if (r == 0)
		r = put_asides(w, asides, e);
	if (r == 0 && prunes)
		r = prune(w, b, e);
	if (r == 0)
		r = db_commit(w->db, e);
	if (r == 0)
		return 0;
	if (begun)
		db_rollback(w->db);
	for (size_t i = 0; i < rows; i++)
		w->source.failed(w->source.ctx, &w->macs[i]);
	asides_failed(w, asides);
	return r;
}

/* Puts an unwritten batch back in front of what was queued meanwhile. */
static void put_back(struct writer *w, struct batch *b)
{
	size_t count = b->count + w->queue.count;

	if (count > b->room) {
		struct event *bigger = realloc(b->events, count * sizeof(*bigger));
		if (!bigger) {
			w->dropped += b->count;
			b->count = 0;
			count = 0;
		} else {
			b->events = bigger;
			b->room = count;
		}
	}
	if (count > 0) {
		if (w->queue.count > 0)
			memcpy(b->events + b->count, w->queue.events,
			    w->queue.count * sizeof(*b->events));
		free(w->queue.events);
		w->queue.events = steal_ptr(b->events);
		w->queue.count = count;
		w->queue.room = b->room;
	}
	/* A log queued meanwhile is newer: it goes to the end, to be written last. */
	struct log_item **end = &b->logs;
	while (*end)
		end = &(*end)->next;
	*end = w->queue.logs;
	w->queue.logs = steal_ptr(b->logs);
}

static void tell_outcome(struct writer *w, int r, const struct err *e)
{
	if (r < 0 && !w->was_bad)
		log_error("%s; state is kept in memory and tried again", e->msg);
	if (r == 0 && w->was_bad)
		log_info("the state file can be written again");
	w->was_bad = r < 0;
}

/* Called with the lock held; drops it while writing. */
static void write_all(struct writer *w)
{
	struct batch b = w->queue;
	struct err e = ERR_INIT;
	struct writer_listener listener = w->listener;
	uint64_t asked = w->asked;
	bool more = false, last = w->stop;

	memset(&w->queue, 0, sizeof(w->queue));
	w->kicked = false;
	pthread_mutex_unlock(&w->lock);
	int r = write_once(w, &b, last, &more, &e);
	tell_outcome(w, r, &e);
	if (r == 0 && b.count > 0 && listener.heard)
		listener.heard(listener.ctx, b.events, b.count);
	pthread_mutex_lock(&w->lock);

	b.probe = false;
	if (r < 0)
		put_back(w, &b);
	batch_clear(&b);
	w->last = e;
	if (more)
		w->kicked = true;
	else
		w->ended = asked;
	if (r < 0 || !more)
		pthread_cond_broadcast(&w->done);
	if (w->dropped > 0) {
		log_warn("too many events at once; some are lost count=%llu",
		    (unsigned long long)w->dropped);
		w->dropped = 0;
	}
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct timespec until = monotonic_after(w->was_bad ? RETRY_MS : LAZY_MS);

		while (!w->stop && (!w->kicked || w->was_bad) && w->asked == w->ended)
			if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
				break;
		/* A burst becomes one commit, unless somebody waits for it. */
		if (!w->stop && w->asked == w->ended && w->kicked) {
			until = monotonic_after(COALESCE_MS);
			while (!w->stop && w->asked == w->ended)
				if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
					break;
		}
		write_all(w);
	}
	do
		write_all(w);
	while (w->kicked && w->last.code == 0);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void writer_free(struct writer *w)
{
	batch_clear(&w->queue);
	db_close(w->db);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->macs);
	free(w);
}

int writer_start(struct db *db, uint64_t last_event, const struct writer_source *source,
    const struct writer_aside asides[WRITER_ASIDES], struct writer **out, struct err *e)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;

	if (!w) {
		db_close(db);
		return err_set(e, ENOMEM, "out of memory");
	}
	w->db = db;
	w->source = *source;
	memcpy(w->aside, asides, sizeof(w->aside));
	w->last_event = last_event;
	w->pruned_at = last_event;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_cond_init(&w->done, &attr);
	pthread_condattr_destroy(&attr);
	int r = pthread_create(&w->thread, NULL, writer_main, w);
	if (r != 0) {
		writer_free(w);
		return err_set(e, r, "cannot start the state writer: %s", strerror(r));
	}
	*out = w;
	return 0;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	writer_free(w);
}

void writer_listen(struct writer *w, const struct writer_listener *listener)
{
	pthread_mutex_lock(&w->lock);
	w->listener = *listener;
	pthread_mutex_unlock(&w->lock);
}

void writer_event(struct writer *w, struct event *event)
{
	struct batch *q = &w->queue;

	event->severity = event_severity(event_info(event->kind), event->text);
	/* Named by its MAC address, or by nothing that has one. */
	event->stranger = !event->vm[0] || strchr(event->vm, ':') || mac_number(&event->mac) == 0;
	pthread_mutex_lock(&w->lock);
	event->id = ++w->last_event;
	if (q->count == q->room && q->room < WRITER_EVENTS_MAX) {
		size_t room = q->room ? q->room * 2 : 64;
		struct event *bigger = realloc(q->events, room * sizeof(*bigger));
		if (bigger) {
			q->events = bigger;
			q->room = room;
		}
	}
	if (q->count < q->room && q->count < WRITER_EVENTS_MAX)
		q->events[q->count++] = *event;
	else
		w->dropped++;
	if (!w->kicked) {
		w->kicked = true;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
}

void writer_log(struct writer *w, const struct mac *mac, char *text)
{
	writer_kept(w, mac, NULL, text);
}

void writer_kept(struct writer *w, const struct mac *mac, const char *what, char *text)
{
	struct log_item *item = NULL;

	pthread_mutex_lock(&w->lock);
	for (item = w->queue.logs; item; item = item->next)
		if (mac_equal(&item->mac, mac) && item->what == what)
			break;
	if (item) {
		free(item->text);
		item->text = text;
	} else if ((item = malloc(sizeof(*item))) != NULL) {
		item->mac = *mac;
		item->what = what;
		item->text = text;
		item->next = w->queue.logs;
		w->queue.logs = item;
	} else {
		free(text);
	}
	pthread_mutex_unlock(&w->lock);
	writer_kick(w);
}

void writer_kick(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	if (!w->kicked) {
		w->kicked = true;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
}

int writer_flush(struct writer *w, bool probe, struct err *e)
{
	struct timespec until = monotonic_after(FLUSH_WAIT_MS);
	int r = 0;

	pthread_mutex_lock(&w->lock);
	uint64_t ticket = ++w->asked;
	w->kicked = true;
	if (probe)
		w->queue.probe = true;
	pthread_cond_signal(&w->wake);
	while (w->ended < ticket)
		if (pthread_cond_timedwait(&w->done, &w->lock, &until) == ETIMEDOUT)
			break;
	if (w->ended < ticket)
		r = err_set(e, ETIMEDOUT, "the state file could not be written within %d s",
		    FLUSH_WAIT_MS / 1000);
	else if (w->last.code != 0)
		r = err_set(e, w->last.code, "%s", w->last.msg);
	pthread_mutex_unlock(&w->lock);
	return r;
}
