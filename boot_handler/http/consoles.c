#include "boot_handler/http/consoles.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/base64.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/machine/console.h"

#define PIECE_BYTES 6144 /* printed, in one event */
#define TEXT_BYTES (BASE64_ENCODE_RAW_LENGTH(PIECE_BYTES) + 200)
#define LOOK_MS 500 /* for a log that is not there yet */

_Static_assert(CONSOLE_BEHIND_BYTES + CONSOLE_REPLAY_BYTES <= CONSOLE_KEPT_BYTES / 2,
    "a log has what is left to be told");

struct watcher;

struct consoles {
	const char *root;
	int64_t keepalive_ms;
	pthread_mutex_t lock; /* protects all below, and watchers */
	pthread_cond_t wake;
	pthread_t ticker;
	struct watcher *watchers;
	unsigned count;
	bool stopped;
};

struct watcher {
	struct consoles *of;
	struct watcher *next, *previous;
	struct server_line *line;
	struct console_of console;
	int fd;          /* its log; -1: not there yet */
	uint64_t cursor; /* all up to this was told */
	bool has_after;  /* it has been told up to the cursor before */
	bool begun;
	bool asleep;
	int64_t told_ms, looked_ms;
	char text[TEXT_BYTES]; /* what is being sent */
	size_t len, used;
};

/* ---- what is told ------------------------------------------------------------------------ */

static bool tell(struct watcher *w, const char *event, const char *name, uint64_t value)
{
	w->len = (size_t)snprintf(w->text, sizeof(w->text),
	    "id: %" PRIu64 "\nevent: %s\ndata: {\"%s\":%" PRIu64 "}\n\n", w->cursor, event, name,
	    value);
	w->used = 0;
	return true;
}

/* With what it stands at, so that it can come again though nothing was printed. */
static bool greet(struct watcher *w)
{
	w->begun = true;
	return tell(w, "hello", "at", w->cursor);
}

static bool tell_printed(struct watcher *w, const char *bytes, size_t len)
{
	w->cursor += len;
	size_t at =
	    (size_t)snprintf(w->text, sizeof(w->text), "id: %" PRIu64 "\ndata: ", w->cursor);
	base64_encode_raw(w->text + at, len, (const uint8_t *)bytes);
	at += BASE64_ENCODE_RAW_LENGTH(len);
	memcpy(w->text + at, "\n\n", 2);
	w->len = at + 2;
	w->used = 0;
	return true;
}

/* Its log is not the one that it was told of. */
static bool begin_anew(struct watcher *w)
{
	w->cursor = console_tail_at(w->fd, CONSOLE_REPLAY_BYTES);
	return tell(w, "begin", "at", w->cursor);
}

static bool leave_out(struct watcher *w, uint64_t printed)
{
	uint64_t from = w->cursor;

	w->cursor = printed - CONSOLE_REPLAY_BYTES;
	return tell(w, "gap", "bytes", w->cursor - from);
}

/* True: its log is there now, and was not before. */
static bool open_log(struct watcher *w)
{
	if (w->fd >= 0 && console_log_is_gone(w->fd)) {
		close(w->fd);
		w->fd = -1;
	}
	if (w->fd >= 0)
		return false;
	w->looked_ms = monotonic_ms();
	w->fd = console_open_log(&w->console);
	return w->fd >= 0;
}

/* The first time: where it goes on, or what is replayed. */
static void set_out(struct watcher *w)
{
	(void)open_log(w);
	if (w->fd >= 0 && !w->has_after)
		w->cursor = console_tail_at(w->fd, CONSOLE_REPLAY_BYTES);
}

/* What comes next; false: nothing for now. */
static bool go_on(struct watcher *w)
{
	char bytes[PIECE_BYTES];

	if (!w->begun) {
		set_out(w);
		return greet(w);
	}
	if (open_log(w))
		return begin_anew(w);
	uint64_t printed = w->fd < 0 ? w->cursor : console_printed(w->fd);
	if (printed < w->cursor)
		return begin_anew(w);
	if (printed - w->cursor > CONSOLE_BEHIND_BYTES)
		return leave_out(w, printed);
	size_t n = printed > w->cursor ? console_read(w->fd, w->cursor, bytes, sizeof(bytes)) : 0;
	if (n > 0) {
		/* Not what was taken away while it was read. */
		printed = console_printed(w->fd);
		if (printed - w->cursor > CONSOLE_KEPT_BYTES / 2)
			return leave_out(w, printed);
		return tell_printed(w, bytes, n);
	}
	if (monotonic_ms() - w->told_ms < w->of->keepalive_ms)
		return false;
	memcpy(w->text, ":\n\n", 3);
	w->len = 3;
	w->used = 0;
	return true;
}

/* ---- one who looks ----------------------------------------------------------------------- */

enum turn { TURN_SEND, TURN_SLEEP, TURN_END };

/* The lock is held. */
static enum turn next_turn(struct watcher *w)
{
	if (w->of->stopped)
		return TURN_END;
	if (go_on(w)) {
		w->told_ms = monotonic_ms();
		return TURN_SEND;
	}
	w->len = w->used = 0;
	w->asleep = true;
	server_line_sleep(w->line);
	return TURN_SLEEP;
}

/* A server_answer.stream. */
static size_t watcher_read(void *ctx, char *buf, size_t size)
{
	struct watcher *w = ctx;

	if (w->used == w->len) {
		pthread_mutex_lock(&w->of->lock);
		enum turn turn = next_turn(w);
		pthread_mutex_unlock(&w->of->lock);
		if (turn != TURN_SEND)
			return turn == TURN_SLEEP ? SERVER_ASLEEP : 0;
	}
	size_t n = w->len - w->used < size ? w->len - w->used : size;
	memcpy(buf, w->text + w->used, n);
	w->used += n;
	return n;
}

static void watcher_on(void *ctx, struct server_line *line)
{
	struct watcher *w = ctx;

	w->line = line;
}

static void watcher_free(void *ctx)
{
	struct watcher *w = ctx;
	struct consoles *c = w->of;

	pthread_mutex_lock(&c->lock);
	if (w->previous)
		w->previous->next = w->next;
	else
		c->watchers = w->next;
	if (w->next)
		w->next->previous = w->previous;
	c->count--;
	pthread_mutex_unlock(&c->lock);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static int add(struct consoles *c, struct watcher *w, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->stopped || c->count == CONSOLES_MAX) {
		r = err_set(e, ENOSPC,
		    "%u look at serial consoles already, and no more can: close one, then ask again",
		    c->count);
	} else {
		w->next = c->watchers;
		if (w->next)
			w->next->previous = w;
		c->watchers = w;
		c->count++;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

int consoles_answer(struct consoles *c, const struct console_of *of, const uint64_t *after,
    struct server_answer *a, struct err *e)
{
	if (!console_is_here(of))
		return err_set(e, ENOENT, "its console is not here: it is no VM of this lab");
	struct watcher *w = calloc(1, sizeof(*w));
	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->of = c;
	w->console = *of;
	w->fd = -1;
	w->has_after = after;
	w->cursor = after ? *after : 0;
	w->told_ms = monotonic_ms();
	int r = add(c, w, e);
	if (r < 0) {
		free(w);
		return r;
	}
	a->type = "text/event-stream";
	a->kind = SERVER_BODY_LIVE;
	a->stream = watcher_read;
	a->stream_on = watcher_on;
	a->stream_free = watcher_free;
	a->stream_ctx = w;
	return 0;
}

/* ---- all of them ------------------------------------------------------------------------- */

static bool is_due(const struct watcher *w, int64_t now)
{
	if (w->of->stopped || now - w->told_ms >= w->of->keepalive_ms)
		return true;
	if (w->fd < 0)
		return now - w->looked_ms >= LOOK_MS;
	return console_printed(w->fd) != w->cursor || console_log_is_gone(w->fd);
}

/* The lock is held. */
static void wake_due(struct consoles *c)
{
	int64_t now = monotonic_ms();

	for (struct watcher *w = c->watchers; w; w = w->next)
		if (w->asleep && is_due(w, now)) {
			w->asleep = false;
			server_line_wake(w->line);
		}
}

/* A look at each log every few ms while somebody does: cheaper than to be told of each write. */
static void *tick(void *ctx)
{
	struct consoles *c = ctx;

	pthread_mutex_lock(&c->lock);
	while (!c->stopped) {
		struct timespec until = monotonic_after(CONSOLES_EVERY_MS);

		if (!c->watchers)
			pthread_cond_wait(&c->wake, &c->lock);
		else if (pthread_cond_timedwait(&c->wake, &c->lock, &until) == ETIMEDOUT)
			wake_due(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

const char *consoles_root(const struct consoles *c)
{
	return c ? c->root : NULL;
}

int consoles_new(const char *root, int64_t keepalive_ms, struct consoles **out, struct err *e)
{
	struct consoles *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->root = root;
	c->keepalive_ms = keepalive_ms;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	int r = pthread_create(&c->ticker, NULL, tick, c);
	if (r != 0) {
		free(c);
		return err_set(e, r, "cannot start a thread for consoles: %s", strerror(r));
	}
	*out = c;
	return 0;
}

void consoles_stop(struct consoles *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	bool was = c->stopped;
	c->stopped = true;
	wake_due(c);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (!was)
		pthread_join(c->ticker, NULL);
}

void consoles_free(struct consoles *c)
{
	if (!c)
		return;
	consoles_stop(c);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
