#include "os_installer/agent/voice.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PROGRESS_MS 1000
#define OUTPUT_MS 250 /* so long it may gather */
#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 8000

struct voice {
	const struct server *server;
	const struct server_order *order;
	struct board *board;
	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t wake;
	char *ring; /* VOICE_WAITING_MAX; the byte at offset n is at n modulo that */
	char *head; /* the first SERVER_OUTPUT_MAX bytes, however much follows */
	bool head_told;
	uint64_t sent, written;
	bool over, ending;

	/* The thread's own. */
	char *piece;
	int64_t progress_ms, output_ms; /* when it may be the next time */
	int64_t rest_ms;                /* 0: the server answers */
};

/* ---- what waits
 * --------------------------------------------------------------------------------*/

void voice_output(struct voice *v, const void *data, size_t len)
{
	const char *from = data;

	if (!v->order->has_id)
		return;
	pthread_mutex_lock(&v->mutex);
	if (v->written < SERVER_OUTPUT_MAX) {
		size_t room = SERVER_OUTPUT_MAX - v->written;
		memcpy(v->head + v->written, from, len < room ? len : room);
	}
	while (len > 0 && !v->over) {
		size_t at = v->written % VOICE_WAITING_MAX, room = VOICE_WAITING_MAX - at,
		       n = len < room ? len : room;
		memcpy(v->ring + at, from, n);
		v->written += n;
		from += n;
		len -= n;
	}
	if (v->written - v->sent > VOICE_WAITING_MAX)
		v->sent = v->written - VOICE_WAITING_MAX;
	if (v->written - v->sent >= SERVER_OUTPUT_MAX)
		pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->mutex);
}

/* From `at` on. Where the ring has lost the beginning before it was told, that comes first. */
static size_t copy_piece(const struct voice *v, uint64_t *at_out)
{
	uint64_t waiting = v->written - v->sent;

	*at_out = v->sent;
	if (!v->head_told && v->sent > 0) {
		*at_out = 0;
		memcpy(v->piece, v->head, SERVER_OUTPUT_MAX);
		return SERVER_OUTPUT_MAX;
	}
	size_t len = waiting < SERVER_OUTPUT_MAX ? (size_t)waiting : SERVER_OUTPUT_MAX;
	size_t at = v->sent % VOICE_WAITING_MAX, first = VOICE_WAITING_MAX - at;

	first = len < first ? len : first;
	memcpy(v->piece, v->ring + at, first);
	memcpy(v->piece + first, v->ring, len - first);
	return len;
}

/* ---- the thread
 * --------------------------------------------------------------------------------*/

/* All with the mutex, which they let go of while they speak. */

static void heard(struct voice *v, int r, const struct err *e)
{
	if (r < 0) {
		if (!v->rest_ms)
			log_warn("%s; the order goes on", e->msg);
		v->rest_ms = !v->rest_ms                      ? RETRY_FIRST_MS
			     : v->rest_ms * 2 < RETRY_MOST_MS ? v->rest_ms * 2
							      : RETRY_MOST_MS;
		v->progress_ms = v->output_ms = monotonic_ms() + v->rest_ms;
		return;
	}
	if (v->rest_ms)
		log_info("the server answers again");
	v->rest_ms = 0;
	if (r == SERVER_OVER)
		v->over = true;
}

static void tell_output(struct voice *v)
{
	struct err e = ERR_INIT;
	uint64_t at;
	size_t len = copy_piece(v, &at);

	pthread_mutex_unlock(&v->mutex);
	int r = server_output(v->server, v->order->id, at, v->piece, len, &e);
	pthread_mutex_lock(&v->mutex);
	v->output_ms = monotonic_ms() + OUTPUT_MS;
	heard(v, r, &e);
	/* What a server does not take is not told again. */
	if (r >= 0)
		v->head_told = true;
	if (r >= 0 && v->sent < at + len)
		v->sent = at + len;
}

static void tell_progress(struct voice *v)
{
	struct said said = {0};
	struct err e = ERR_INIT;

	pthread_mutex_unlock(&v->mutex);
	if (v->board) {
		said = *board_take(v->board);
		board_give(v->board);
	}
	int r = server_progress(v->server, v->order->id, &said, &e);
	pthread_mutex_lock(&v->mutex);
	v->progress_ms = monotonic_ms() + PROGRESS_MS;
	heard(v, r, &e);
}

static void rest(struct voice *v, int64_t until_ms)
{
	int64_t ms = until_ms - monotonic_ms();
	struct timespec at = monotonic_after(ms < 1 ? 1 : (int)ms);

	pthread_cond_timedwait(&v->wake, &v->mutex, &at);
}

/* When the next output is to be sent; INT64_MAX: there is none. */
static int64_t output_when(const struct voice *v)
{
	uint64_t waiting = v->written - v->sent;

	if (waiting == 0)
		return INT64_MAX;
	return !v->rest_ms && (v->ending || waiting >= SERVER_OUTPUT_MAX) ? 0 : v->output_ms;
}

static void *speak(void *ctx)
{
	struct voice *v = ctx;

	pthread_mutex_lock(&v->mutex);
	while (!v->over && !(v->ending && v->written == v->sent)) {
		int64_t now = monotonic_ms(), output_ms = output_when(v);
		if (!v->ending && now >= v->progress_ms)
			tell_progress(v);
		else if (now >= output_ms)
			tell_output(v);
		else
			rest(v,
			    v->ending || output_ms < v->progress_ms ? output_ms : v->progress_ms);
	}
	pthread_mutex_unlock(&v->mutex);
	return NULL;
}

/* ---- start and end
 * -----------------------------------------------------------------------------*/

static void voice_free(struct voice *v)
{
	free(v->ring);
	free(v->head);
	free(v->piece);
	free(v);
}

int voice_start(const struct server *s, const struct server_order *order, struct board *board,
    struct voice **out, struct err *e)
{
	struct voice *v = calloc(1, sizeof(*v));
	pthread_condattr_t attr;

	if (!v || !(v->ring = malloc(VOICE_WAITING_MAX)) ||
	    !(v->head = malloc(SERVER_OUTPUT_MAX)) || !(v->piece = malloc(SERVER_OUTPUT_MAX))) {
		if (v)
			voice_free(v);
		return err_set(e, ENOMEM, "out of memory");
	}
	v->server = s;
	v->order = order;
	v->board = board;
	v->progress_ms = monotonic_ms() + PROGRESS_MS;
	pthread_mutex_init(&v->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->wake, &attr);
	pthread_condattr_destroy(&attr);
	int code = order->has_id ? pthread_create(&v->thread, NULL, speak, v) : 0;
	if (code) {
		voice_free(v);
		return err_set(e, code, "cannot start a thread: %s", strerror(code));
	}
	*out = v;
	return 0;
}

bool voice_is_over(struct voice *v)
{
	pthread_mutex_lock(&v->mutex);
	bool over = v->over;
	pthread_mutex_unlock(&v->mutex);
	return over;
}

void voice_end(struct voice *v)
{
	pthread_mutex_lock(&v->mutex);
	v->ending = true;
	pthread_cond_signal(&v->wake);
	pthread_mutex_unlock(&v->mutex);
	if (v->order->has_id)
		pthread_join(v->thread, NULL);
	voice_free(v);
}
