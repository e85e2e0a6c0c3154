#include "boot_handler/http/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/events.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define KEPT 2048 /* events in memory */
#define PAGE 64   /* events at once from the state file */

/* One event, and its JSON once somebody wanted it. */
struct kept {
	struct event event;
	char *json;
	size_t len;
};

struct stream;

struct streams {
	struct state *state;
	int64_t keepalive_ms;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	pthread_cond_t behind; /* somebody is, from `slow` on */
	struct stream *slow, **slow_end;
	pthread_t ticker;
	pthread_t reader; /* of the state file, for those who are behind, one after the other */
	struct kept kept[KEPT]; /* a ring */
	size_t first, count;
	uint64_t floor; /* all after this are in the ring */
	uint64_t last;  /* the newest that there is */
	struct stream *clients;
	unsigned client_count;
	bool stopped;
};

/* One client. Its thread's, but for what the ticker looks at under the lock. */
struct stream {
	struct streams *of;
	struct stream *next, *previous;
	struct server_line *line;
	struct event_query query;
	char vm[MACHINE_NAME_SIZE];
	bool begun;
	bool asleep; /* under the lock */
	bool behind; /* likewise: it sleeps until the reader has been at its place */
	struct stream *next_slow;
	bool ends;        /* likewise: the file could not be read */
	bool unknown;     /* likewise: whether all is there that it has not seen */
	uint64_t cursor;  /* all up to this were looked at; likewise */
	int64_t told_ms;  /* likewise */
	uint64_t missing; /* the first there is, where those before are gone; 0: none are */
	char *text;       /* what is being sent */
	size_t len, used;
};

/* ---- text -------------------------------------------------------------------------------- */

/* Takes the text over as what is to be sent next. */
static void send_text(struct stream *c, char *text, size_t len)
{
	free(c->text);
	c->text = text;
	c->len = text ? len : 0;
	c->used = 0;
}

/* What a client begins with: where it stands, so that it can come again though nothing happened. */
static void send_greeting(struct stream *c)
{
	char *text = NULL;
	int n = -1;

	if (c->missing)
		n = asprintf(&text,
		    "retry: 2000\nid: %" PRIu64 "\nevent: gap\ndata: {\"after\":%" PRIu64
		    ",\"first\":%" PRIu64 "}\n\n",
		    c->cursor, c->cursor, c->missing);
	else
		n = asprintf(&text,
		    "retry: 2000\nid: %" PRIu64 "\nevent: hello\ndata: {\"last\":%" PRIu64 "}\n\n",
		    c->cursor, c->cursor);
	send_text(c, n < 0 ? NULL : text, n < 0 ? 0 : (size_t)n);
}

/* A batch as it grows. */
struct batch {
	FILE *f;
	char *text;
	size_t size; /* of `text`, once closed */
	size_t bytes;
	unsigned count;
	uint64_t last; /* the event that was looked at last */
	const struct event_query *query;
};

static bool batch_begin(struct batch *b, const struct stream *c)
{
	*b = (struct batch){.query = &c->query, .last = c->cursor};
	b->f = open_memstream(&b->text, &b->size);
	return b->f != NULL;
}

static bool batch_is_full(const struct batch *b)
{
	return b->bytes >= STREAM_BATCH_BYTES;
}

static void batch_add(struct batch *b, const char *json, size_t len)
{
	fputs(b->count++ == 0 ? "data: {\"events\":[" : ",", b->f);
	fwrite(json, 1, len, b->f);
	b->bytes += len;
}

/* What was gathered is the client's to send; false: nothing was. */
static bool batch_end(struct batch *b, struct stream *c)
{
	if (b->count > 0)
		fprintf(b->f, "],\"last\":%" PRIu64 "}\nid: %" PRIu64 "\n\n", b->last, b->last);
	bool good = fclose(b->f) == 0 && b->count > 0;
	if (!good) {
		free(b->text);
		return false;
	}
	send_text(c, b->text, b->size);
	return true;
}

/* ---- where events come from -------------------------------------------------------------- */

static bool make_json(struct kept *k)
{
	json_t *json = k->json ? NULL : event_json(&k->event);

	if (json) {
		k->json = json_dumps(json, JSON_COMPACT);
		k->len = k->json ? strlen(k->json) : 0;
		json_decref(json);
	}
	return k->json != NULL;
}

static struct kept *kept_at(struct streams *s, size_t i)
{
	return &s->kept[(s->first + i) % KEPT];
}

/* The first in the ring that is after `id`. The lock is held. */
static size_t first_after(struct streams *s, uint64_t id)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (kept_at(s, middle)->event.id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The lock is held. */
static void gather_kept(struct streams *s, struct batch *b)
{
	for (size_t i = first_after(s, b->last); i < s->count && !batch_is_full(b); i++) {
		struct kept *k = kept_at(s, i);
		if (event_query_fits(b->query, &k->event) && make_json(k))
			batch_add(b, k->json, k->len);
		b->last = k->event.id;
	}
}

static void gather_one(void *ctx, const struct event *event)
{
	struct batch *b = ctx;
	_cleanup_free_ char *text = NULL;

	if (batch_is_full(b))
		return;
	json_t *json = event_json(event);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (text)
		batch_add(b, text, strlen(text));
	b->last = event->id;
}

/* From the state file, of which all up to `last` is known to be there. */
static int gather_old(struct streams *s, struct batch *b, uint64_t last, struct err *e)
{
	struct event_query page = *b->query;

	page.newest = false;
	page.after = b->last;
	page.limit = PAGE;
	int r = state_events(s->state, &page, gather_one, b, e);
	if (r == 0 && b->count < PAGE && !batch_is_full(b))
		b->last = last > b->last ? last : b->last;
	return r;
}

/* ---- one client -------------------------------------------------------------------------- */

enum turn { TURN_SEND, TURN_SLEEP, TURN_END };

/* More of what it has not seen, of what is in memory. The lock is held. */
static enum turn go_on(struct stream *c)
{
	struct batch b;

	if (!batch_begin(&b, c))
		return TURN_END;
	gather_kept(c->of, &b);
	c->cursor = b.last;
	return batch_end(&b, c) ? TURN_SEND : TURN_SLEEP;
}

/* Where it begins. Likewise. */
static void find_place(struct stream *c)
{
	uint64_t cursor = c->cursor;
	struct err e = ERR_INIT;

	pthread_mutex_unlock(&c->of->lock);
	int r = streams_gap(c->of, &cursor, &c->missing, &e);
	pthread_mutex_lock(&c->of->lock);
	if (r < 0)
		log_warn("a stream of events does not begin: %s", e.msg);
	c->cursor = cursor;
	c->ends = r < 0;
	c->unknown = false;
}

/* The same from the file: the lock is held, but for the time that it is read. The client sleeps. */
static void read_on(struct stream *c)
{
	struct streams *s = c->of;
	struct err e = ERR_INIT;
	uint64_t last = s->floor;
	struct batch b;

	c->ends = !batch_begin(&b, c);
	if (c->ends)
		return;
	pthread_mutex_unlock(&s->lock);
	int r = gather_old(s, &b, last, &e);
	pthread_mutex_lock(&s->lock);
	c->cursor = b.last;
	(void)batch_end(&b, c);
	if (r < 0)
		log_warn("a stream of events ends: %s", e.msg);
	c->ends = r < 0;
}

/* The lock is held. */
static enum turn next_turn(struct stream *c)
{
	struct streams *s = c->of;
	enum turn turn = TURN_SLEEP;

	if (s->stopped || c->ends)
		return TURN_END;
	if (c->unknown)
		return TURN_SLEEP;
	if (!c->begun) {
		c->begun = true;
		send_greeting(c);
		return TURN_SEND;
	}
	if (c->used < c->len)
		return TURN_SEND;
	while (turn == TURN_SLEEP && c->cursor >= s->floor && c->cursor < s->last)
		turn = go_on(c);
	if (turn == TURN_SLEEP && monotonic_ms() - c->told_ms >= s->keepalive_ms) {
		send_text(c, strdup(":\n\n"), 3);
		return TURN_SEND;
	}
	return turn;
}

/* To be read for. The lock is held. */
static void queue_slow(struct stream *c)
{
	struct streams *s = c->of;

	c->behind = true;
	c->next_slow = NULL;
	*s->slow_end = c;
	s->slow_end = &c->next_slow;
	pthread_cond_signal(&s->behind);
}

/* A server_answer.stream. */
static size_t stream_read(void *ctx, char *buf, size_t size)
{
	struct stream *c = ctx;

	if (c->used == c->len) {
		pthread_mutex_lock(&c->of->lock);
		enum turn turn = next_turn(c);
		if (turn == TURN_SLEEP) {
			c->asleep = true;
			server_line_sleep(c->line);
			if (c->unknown || c->cursor < c->of->floor)
				queue_slow(c);
		} else {
			c->told_ms = monotonic_ms();
		}
		pthread_mutex_unlock(&c->of->lock);
		if (turn == TURN_SLEEP)
			return SERVER_ASLEEP;
		if (turn == TURN_END || c->len == 0)
			return 0;
	}
	size_t n = c->len - c->used < size ? c->len - c->used : size;
	memcpy(buf, c->text + c->used, n);
	c->used += n;
	if (c->used == c->len) /* who does not read has a place, and no text */
		send_text(c, NULL, 0);
	return n;
}

static void stream_on(void *ctx, struct server_line *line)
{
	struct stream *c = ctx;

	c->line = line;
}

static void stream_free(void *ctx)
{
	struct stream *c = ctx;
	struct streams *s = c->of;

	pthread_mutex_lock(&s->lock);
	if (c->previous)
		c->previous->next = c->next;
	else
		s->clients = c->next;
	if (c->next)
		c->next->previous = c->previous;
	s->client_count--;
	pthread_mutex_unlock(&s->lock);
	free(c->text);
	free(c);
}

/* ---- all of them ------------------------------------------------------------------------- */

/* Whether there is something to tell it; what does not fit its query is passed over. */
static bool is_due(struct streams *s, struct stream *c, int64_t now)
{
	if (s->stopped || now - c->told_ms >= s->keepalive_ms)
		return true;
	if (c->cursor < s->floor)
		return true;
	for (size_t i = first_after(s, c->cursor); i < s->count; i++) {
		const struct event *event = &kept_at(s, i)->event;
		if (event_query_fits(&c->query, event))
			return true;
		c->cursor = event->id;
	}
	return false;
}

/* The lock is held. */
static void wake_due(struct streams *s)
{
	int64_t now = monotonic_ms();

	for (struct stream *c = s->clients; c; c = c->next)
		if (c->asleep && (s->stopped || !c->behind) && is_due(s, c, now)) {
			c->asleep = false;
			server_line_wake(c->line);
		}
}

/* No listener's thread waits for the file, and however many are behind, others are answered. A
 * client that sleeps is not freed. */
static void *read_old(void *ctx)
{
	struct streams *s = ctx;
	struct stream *c;

	pthread_mutex_lock(&s->lock);
	while (!s->stopped) {
		c = s->slow;
		if (!c) {
			pthread_cond_wait(&s->behind, &s->lock);
			continue;
		}
		s->slow = c->next_slow;
		if (!s->slow)
			s->slow_end = &s->slow;
		if (c->unknown)
			find_place(c);
		else
			read_on(c);
		c->behind = c->asleep = false;
		server_line_wake(c->line);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void *tick(void *ctx)
{
	struct streams *s = ctx;

	pthread_mutex_lock(&s->lock);
	while (!s->stopped) {
		struct timespec until = monotonic_after(STREAM_EVERY_MS);

		if (!s->clients)
			pthread_cond_wait(&s->wake, &s->lock);
		else if (pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT &&
			 !s->stopped)
			wake_due(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void streams_put(struct streams *s, const struct event *events, size_t count)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < count; i++) {
		if (events[i].id <= s->last)
			continue;
		if (s->count == KEPT) {
			s->floor = kept_at(s, 0)->event.id;
			s->first = (s->first + 1) % KEPT;
			s->count--;
		}
		struct kept *k = kept_at(s, s->count++);
		free(k->json);
		*k = (struct kept){.event = events[i]};
		s->last = events[i].id;
	}
	pthread_mutex_unlock(&s->lock);
}

static void note_id(void *ctx, const struct event *event)
{
	*(uint64_t *)ctx = event->id;
}

/* The file may be ahead of what we were told of it. */
static int find_beyond(struct streams *s, uint64_t *after, uint64_t *first, struct err *e)
{
	uint64_t last = 0;

	int r = state_last_event(s->state, &last, e);
	if (r == 0 && *after > last) {
		*after = last;
		*first = last + 1;
	}
	return r;
}

int streams_gap(struct streams *s, uint64_t *after, uint64_t *first, struct err *e)
{
	struct event_query one = {.limit = 1};
	uint64_t oldest = 0;

	*first = 0;
	pthread_mutex_lock(&s->lock);
	bool beyond = *after > s->last, kept = *after >= s->floor;
	pthread_mutex_unlock(&s->lock);
	if (beyond)
		return find_beyond(s, after, first, e);
	if (kept)
		return 0;
	int r = state_events(s->state, &one, note_id, &oldest, e);
	if (r == 0 && oldest > *after + 1)
		*first = oldest;
	return r;
}

static int add_client(struct streams *s, struct stream *c, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (s->stopped || s->client_count == STREAMS_MAX) {
		r = err_set(e, ENOSPC,
		    "%u follow what happens already, and no more can: close one, then ask again",
		    s->client_count);
	} else {
		c->next = s->clients;
		if (c->next)
			c->next->previous = c;
		s->clients = c;
		s->client_count++;
		if (c->query.newest)
			c->cursor = s->last;
		c->unknown = c->cursor < s->floor || c->cursor > s->last;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int streams_answer(
    struct streams *s, const struct event_query *query, struct server_answer *a, struct err *e)
{
	struct stream *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->of = s;
	c->query = *query;
	c->cursor = query->after;
	c->told_ms = monotonic_ms();
	snprintf(c->vm, sizeof(c->vm), "%s", query->vm ? query->vm : "");
	c->query.vm = c->vm;
	int r = add_client(s, c, e);
	if (r < 0) {
		free(c);
		return r;
	}
	a->type = "text/event-stream";
	a->kind = SERVER_BODY_LIVE;
	a->stream = stream_read;
	a->stream_on = stream_on;
	a->stream_free = stream_free;
	a->stream_ctx = c;
	return 0;
}

uint64_t streams_last(struct streams *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t last = s->last;
	pthread_mutex_unlock(&s->lock);
	return last;
}

unsigned streams_count(struct streams *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->client_count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

int streams_new(struct state *state, int64_t keepalive_ms, struct streams **out, struct err *e)
{
	_cleanup_free_ struct streams *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->state = state;
	s->keepalive_ms = keepalive_ms;
	int r = state_last_event(state, &s->last, e);
	if (r < 0)
		return r;
	s->floor = s->last;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_cond_init(&s->behind, NULL);
	s->slow_end = &s->slow;
	r = pthread_create(&s->reader, NULL, read_old, s);
	if (r == 0)
		r = pthread_create(&s->ticker, NULL, tick, s);
	if (r != 0) /* and the program ends */
		return err_set(e, r, "cannot start a thread for streams: %s", strerror(r));
	*out = steal_ptr(s);
	return 0;
}

void streams_stop(struct streams *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	bool was = s->stopped;
	s->stopped = true;
	pthread_cond_signal(&s->wake);
	pthread_cond_signal(&s->behind);
	pthread_mutex_unlock(&s->lock);
	if (was)
		return;
	pthread_join(s->ticker, NULL);
	pthread_join(s->reader, NULL);
	pthread_mutex_lock(&s->lock);
	wake_due(s);
	pthread_mutex_unlock(&s->lock);
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	streams_stop(s);
	for (size_t i = 0; i < KEPT; i++)
		free(s->kept[i].json);
	pthread_cond_destroy(&s->behind);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
