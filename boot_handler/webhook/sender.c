#include "boot_handler/webhook/sender.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "boot_handler/http/events.h"
#include "boot_handler/webhook/delivery.h"
#include "boot_handler/webhook/post.h"
#include "boot_handler/webhook/retry.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PAGE 200        /* events that are looked at under the state's lock */
#define COALESCE_MS 100 /* a burst becomes one delivery */
#define IDLE_MS 10000   /* a connection is kept for so long */
#define STOP_PATIENCE_MS 400
#define STACK_BYTES ((size_t)512 * 1024)

/* One webhook's. */
struct worker {
	struct worker *next;
	struct sender *sender;
	int64_t id;
	struct post *post;
	bool gone; /* under the sender's lock, as `next` */
	/* Its thread's only. */
	struct delivery batch; /* that is to be taken next */
	bool has_batch;
	bool connected;
};

struct sender {
	struct services *services;
	const struct sender_trust *trust;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;  /* something is to be done, or over */
	struct worker *workers;
	uint64_t head; /* the newest event that is on disk */
	bool stop;
};

/* ---- what is to be sent ------------------------------------------------------------------ */

static void look(void *ctx, const struct event *event)
{
	delivery_look(ctx, event);
}

/* What the filter means now: machines may have got other cards meanwhile. */
static int query_of(struct services *services, const struct hook *hook, struct route *route,
    struct event_query *out)
{
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	struct err ignored = ERR_INIT;

	int r =
	    route_query_filter((struct piece){hook->filter, strlen(hook->filter)}, route, &ignored);
	if (r == 0)
		r = events_query_of(services, snapshot, route, out, &ignored);
	vm_snapshot_unref(snapshot);
	return r;
}

/* Everything up to `head`, or what fits into a batch. */
static int collect(struct worker *w, const struct hook *hook, uint64_t head, struct err *e)
{
	struct state *state = w->sender->services->state;
	struct event_query page = {.after = (uint64_t)hook->cursor, .limit = PAGE}, query;
	_cleanup_free_ struct route *route = calloc(1, sizeof(*route));
	int r = 0;

	if (!route || !delivery_begin(&w->batch, page.after, &query))
		return err_set(e, ENOMEM, "out of memory");
	if (query_of(w->sender->services, hook, route, &query) < 0)
		query = (struct event_query){.vm = "?"}; /* of nobody: it has shown itself never */
	while (r == 0 && !w->batch.full && w->batch.last < head) {
		page.after = w->batch.last;
		r = state_events(state, &page, look, &w->batch, e);
		if (r == 0 && !w->batch.full && w->batch.last == page.after) {
			w->batch.holes += head - w->batch.last;
			w->batch.last = head;
		}
	}
	if (!delivery_end(&w->batch) && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	w->batch.query = NULL;
	if (r < 0)
		delivery_clear(&w->batch);
	return r;
}

static void drop_batch(struct worker *w)
{
	delivery_clear(&w->batch);
	w->has_batch = false;
}

/* The next batch; without one the cursor has moved to where there is nothing more. */
static void prepare(struct worker *w, struct hook *hook, uint64_t head)
{
	struct err e = ERR_INIT;

	if (collect(w, hook, head, &e) < 0) {
		log_warn("events for a webhook cannot be read: %s name=%s", e.msg, hook->name);
		hook->retry_ms = wall_ms() + RETRY_FIRST_MS;
		hooks_update(state_hooks(w->sender->services->state), hook);
		return;
	}
	if (w->batch.count > 0 || w->batch.holes > 0) {
		w->has_batch = true;
		return;
	}
	hook->cursor = (int64_t)w->batch.last;
	state_keep_hook(w->sender->services->state, hook, false);
	drop_batch(w);
}

/* ---- sent -------------------------------------------------------------------------------- */

static void send_batch(
    struct worker *w, const struct hook *hook, bool test, struct post_answer *answer)
{
	const struct sender_trust *trust = w->sender->trust;
	const struct delivery none = {.last = (uint64_t)hook->cursor};
	const struct delivery *d = test ? &none : &w->batch;
	char name[DELIVERY_NAME_SIZE], signature[DELIVERY_SIGNATURE_SIZE], header[4][128];
	int64_t now = wall_ms();
	size_t len;
	_cleanup_free_ char *body = delivery_body(d, hook, test, now, &len);

	if (!body) {
		*answer = (struct post_answer){.error = "out of memory"};
		return;
	}
	delivery_name(d, hook, test, now, name);
	delivery_sign(hook->secret, body, len, signature);
	snprintf(header[0], sizeof(header[0]), "X-Vmlab-Webhook: %s", hook->name);
	snprintf(header[1], sizeof(header[1]), "X-Vmlab-Delivery: %s", name);
	snprintf(header[2], sizeof(header[2]), "X-Vmlab-Timestamp: %" PRId64, now / 1000);
	snprintf(header[3], sizeof(header[3]), "X-Vmlab-Signature-256: sha256=%s", signature);
	const char *const headers[] = {"Content-Type: application/json", "Expect:", header[0],
	    header[1], header[2], header[3], NULL};
	bool own = trust->own && access(trust->own, R_OK) == 0;
	post_send(w->post, hook->url, own ? trust->own : trust->usual, headers, body, len, answer);
	w->connected = true;
}

static uint32_t any_number(void)
{
	uint32_t n = 0;

	return getrandom(&n, sizeof(n), GRND_NONBLOCK) == (ssize_t)sizeof(n) ? n : 0;
}

static void note_taken(struct hook *hook)
{
	if (hook->error[0])
		log_info("a webhook's receiver takes events again name=%s", hook->name);
	hook->tries = 0;
	hook->retry_ms = 0;
	hook->ended = false;
	hook->error[0] = '\0';
}

static void note_failure(
    struct hook *hook, const struct post_answer *answer, enum retry what, int64_t wait_ms)
{
	if (!hook->error[0])
		log_warn("a webhook was not taken: %s name=%s", answer->error, hook->name);
	memcpy(hook->error, answer->error, sizeof(hook->error));
	hook->failed++;
	hook->failed_ms = wall_ms();
	hook->tries++;
	hook->retry_ms = hook->failed_ms + wait_ms;
	hook->ended = what == RETRY_NEVER;
	if (hook->ended)
		log_error(
		    "a webhook's receiver is gone for good, and is told nothing more: test the webhook when it is back, or remove it name=%s",
		    hook->name);
}

/* What the answer makes of it: the same for a test, but that the batch is still to be sent. */
static void judge(struct worker *w, struct hook *hook, bool test, const struct post_answer *answer)
{
	int64_t wait_ms;
	enum retry what =
	    retry_judge(answer->status, hook->tries, answer->retry_after_s, any_number(), &wait_ms);

	hook->status = answer->status;
	if (what == RETRY_TAKEN)
		note_taken(hook);
	else
		note_failure(hook, answer, what, wait_ms);
	if (test) {
		hook->test_status = answer->status;
		memcpy(hook->test_error, answer->error, sizeof(hook->test_error));
		hook->tested = hook->tests;
	} else if (what == RETRY_TAKEN) {
		hook->delivered++;
		hook->delivered_ms = wall_ms();
		hook->missed += (int64_t)w->batch.holes;
		hook->cursor = (int64_t)w->batch.last;
		drop_batch(w);
	}
	state_keep_hook(w->sender->services->state, hook, true);
}

/* ---- a thread ---------------------------------------------------------------------------- */

static bool is_over(const struct worker *w)
{
	return w->gone || w->sender->stop;
}

static bool has_more(const struct worker *w, const struct hook *hook)
{
	return w->has_batch || (uint64_t)hook->cursor < w->sender->head;
}

/* In how many ms there is something to do; -1: not before it is woken. */
static int64_t due_ms(const struct worker *w, const struct hook *hook, int64_t now)
{
	if (hook->tested != hook->tests)
		return 0;
	if (hook->ended || !has_more(w, hook))
		return -1;
	/* A clock that was set back. */
	if (hook->retry_ms - now > 1000 * RETRY_AFTER_MOST_S)
		return 0;
	return hook->retry_ms > now ? hook->retry_ms - now : 0;
}

/* With the lock held; false: it is over. `ms` -1: until it is woken. */
static bool nap(struct worker *w, int64_t ms)
{
	struct sender *s = w->sender;
	struct timespec until = monotonic_after(ms < 0 || ms > IDLE_MS ? IDLE_MS : (int)ms);

	if (is_over(w))
		return false;
	if (pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT || !w->connected ||
	    (ms >= 0 && ms < IDLE_MS))
		return !is_over(w);
	pthread_mutex_unlock(&s->lock);
	post_rest(w->post);
	w->connected = false;
	pthread_mutex_lock(&s->lock);
	return !is_over(w);
}

/* Waits, with the lock held, until there is something to do; false: it is over. Events that come
 * one after the other are given the time to become one delivery. */
static bool await(struct worker *w, struct hook *hook)
{
	bool idle = false;      /* there was nothing to do */
	int64_t not_before = 0; /* of the clock that is not set */

	while (!is_over(w) && hooks_by_id(state_hooks(w->sender->services->state), w->id, hook)) {
		int64_t ms = due_ms(w, hook, wall_ms()), now = monotonic_ms();
		if (ms == 0 && idle && not_before == 0)
			not_before = now + COALESCE_MS;
		if (ms == 0 && (now >= not_before || hook->tested != hook->tests))
			return true;
		idle |= ms < 0;
		if (!nap(w, ms == 0 ? not_before - now : ms))
			return false;
	}
	return false;
}

static void act(struct worker *w, struct hook *hook, uint64_t head)
{
	bool test = hook->tested != hook->tests;
	struct post_answer answer;

	if (!test && !w->has_batch) {
		prepare(w, hook, head);
		if (!w->has_batch)
			return;
	}
	send_batch(w, hook, test, &answer);
	pthread_mutex_lock(&w->sender->lock);
	bool over = is_over(w);
	pthread_mutex_unlock(&w->sender->lock);
	if (!over) /* else it was cut off, and the state may be closed by now */
		judge(w, hook, test, &answer);
}

/* With the lock held, which it drops. */
static void leave(struct worker *w)
{
	struct sender *s = w->sender;
	struct worker **at = &s->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	drop_batch(w);
	post_free(w->post);
	free(w);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct sender *s = w->sender;
	struct hook hook;

	pthread_mutex_lock(&s->lock);
	while (await(w, &hook)) {
		uint64_t head = s->head;
		pthread_mutex_unlock(&s->lock);
		act(w, &hook, head);
		pthread_mutex_lock(&s->lock);
	}
	explicit_bzero(&hook, sizeof(hook));
	leave(w);
	return NULL;
}

/* ---- threads ----------------------------------------------------------------------------- */

static int begin_thread(struct worker *w, struct err *e)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = pthread_create(&thread, &attr, work, w);
	pthread_attr_destroy(&attr);
	return r == 0 ? 0 : err_set(e, r, "cannot start a thread for a webhook: %s", strerror(r));
}

/* With the lock held. */
static int add_worker(struct sender *s, int64_t id, struct err *e)
{
	_cleanup_free_ struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->sender = s;
	w->id = id;
	int r = post_new(&w->post, e);
	if (r < 0)
		return r;
	w->next = s->workers;
	s->workers = w;
	r = begin_thread(w, e);
	if (r < 0) {
		s->workers = w->next;
		post_free(w->post);
		return r;
	}
	(void)steal_ptr(w);
	return 0;
}

static struct worker *find(const struct sender *s, int64_t id)
{
	struct worker *w = s->workers;

	while (w && w->id != id)
		w = w->next;
	return w;
}

/* A thread for each that there is, and none for others. */
static void changed(void *ctx)
{
	struct sender *s = ctx;
	struct hook *hooks = calloc(HOOKS_MAX + 1, sizeof(*hooks));
	struct err e = ERR_INIT;

	if (!hooks) {
		log_error("webhooks: out of memory");
		return;
	}
	pthread_mutex_lock(&s->lock);
	unsigned count = s->stop ? 0 : hooks_all(state_hooks(s->services->state), hooks);
	for (struct worker *w = s->workers; w; w = w->next)
		if (!hooks_by_id(state_hooks(s->services->state), w->id, &hooks[HOOKS_MAX]) &&
		    !w->gone) {
			w->gone = true;
			post_cancel(w->post);
		}
	for (unsigned i = 0; i < count; i++)
		if (!find(s, hooks[i].id) && add_worker(s, hooks[i].id, &e) < 0)
			log_error("%s name=%s", e.msg, hooks[i].name);
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	explicit_bzero(hooks, (HOOKS_MAX + 1) * sizeof(*hooks));
	free(hooks);
}

void sender_heard(struct sender *s, const struct event *events, size_t count)
{
	pthread_mutex_lock(&s->lock);
	s->head = events[count - 1].id;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

int sender_start(
    struct services *services, const struct sender_trust *trust, struct sender **out, struct err *e)
{
	_cleanup_free_ struct sender *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->services = services;
	s->trust = trust;
	int r = post_prepare(e);
	if (r == 0)
		r = state_last_event(services->state, &s->head, e);
	if (r < 0)
		return r;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &attr);
	pthread_condattr_destroy(&attr);
	*out = steal_ptr(s);
	hooks_on_change(state_hooks(services->state), changed, *out);
	changed(*out);
	return 0;
}

/* A thread may be in the middle of asking for a name, which nothing cuts off: it ends by itself,
 * or with this program. */
void sender_stop(struct sender *s)
{
	if (!s)
		return;
	hooks_on_change(state_hooks(s->services->state), NULL, NULL);
	struct timespec until = monotonic_after(STOP_PATIENCE_MS);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	for (struct worker *w = s->workers; w; w = w->next)
		post_cancel(w->post);
	pthread_cond_broadcast(&s->wake);
	while (s->workers)
		if (pthread_cond_timedwait(&s->wake, &s->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&s->lock);
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	bool idle = !s->workers;
	pthread_mutex_unlock(&s->lock);
	if (!idle)
		return;
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
