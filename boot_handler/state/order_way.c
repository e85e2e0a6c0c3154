/* order_way.c - what becomes of an order once it is given. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot_handler/state/order_inside.h"
#include "lib/base/text.h"

#define HELD_MS 1000 /* until one that is held is looked at again */

/* ---- states ------------------------------------------------------------------------------ */

void order_mark(struct orders *t, struct order_kept *k)
{
	bool due = order_is_open(&k->is) || k->is.boot_due;

	t->dirty += !k->dirty;
	k->dirty = true;
	if (due != k->due)
		atomic_fetch_add(
		    &t->due[mac_number(&k->is.mac) % ORDER_DUE_SLOTS], (uint16_t)(due ? 1 : -1));
	k->due = due;
}

void order_set_state(struct orders *t, struct order_kept *k, enum order_state state)
{
	t->open -= order_is_open(&k->is);
	k->is.state = state;
	t->open += order_is_open(&k->is);
	order_mark(t, k);
}

static void say(char *out, size_t size, const char *text)
{
	text_copy_clean(text ? text : "", out, size);
}

/* Those after it in its list. NULL: there are no more. */
static struct order_kept *next_of_list(struct orders *t, struct order_kept *k)
{
	for (struct order_kept *n = k + 1; n < t->items + t->count; n++)
		if (n->is.list == k->is.list)
			return n;
	return NULL;
}

static void stop_followers(struct orders *t, struct order_kept *k)
{
	for (struct order_kept *n = next_of_list(t, k); n; n = next_of_list(t, n))
		if (n->is.state == ORDER_WAITING) {
			snprintf(n->is.text, sizeof(n->is.text),
			    "order %lld, before it in its list, did not end well",
			    (long long)k->is.id);
			order_set_state(t, n, ORDER_STOPPED);
		}
}

static void end_as(struct orders *t, struct order_kept *k, enum order_state state, int64_t now_ms)
{
	k->is.ended_ms = now_ms;
	t->news += !k->news;
	k->news = true;
	order_set_state(t, k, state);
	if (state != ORDER_DONE)
		stop_followers(t, k);
}

static bool wants_network_off(const struct order *o)
{
	const char *word = json_string_value(json_object_get(o->args, "netboot"));

	return word && strcmp(word, "off") == 0;
}

/* It is the last of its list, or all after it have ended, and some that is done says so. */
static bool turns_network_off(const struct orders *t, const struct order *last)
{
	bool off = false;

	for (size_t i = 0; i < t->count; i++) {
		const struct order *o = &t->items[i].is;
		if (o->list != last->list)
			continue;
		if (o->state != ORDER_DONE)
			return false;
		off |= wants_network_off(o);
	}
	return off;
}

void order_finish(
    struct orders *t, struct order_kept *k, const struct order_end *how, int64_t now_ms)
{
	size_t before = k->bytes;

	say(k->is.text, sizeof(k->is.text), how->text);
	say(k->is.hint, sizeof(k->is.hint), how->hint);
	if (how->phase)
		say(k->is.phase, sizeof(k->is.phase), how->phase);
	if (how->figures) {
		k->is.figures = json_incref(how->figures);
		k->bytes += json_dumpb(how->figures, NULL, 0, JSON_COMPACT);
		t->bytes += k->bytes - before;
	}
	k->is.boot_due = how->ok && order_row(k->is.action)->then != ORDER_THEN_USUAL &&
			 !wants_network_off(&k->is);
	end_as(t, k, how->ok ? ORDER_DONE : ORDER_FAILED, now_ms);
}

static int64_t deadline_ms(const struct order *o)
{
	return o->begun_ms + (int64_t)o->timeout_s * 1000 + ORDER_GRACE_MS;
}

bool order_overdue(struct orders *t, struct order_kept *k, int64_t now_ms)
{
	const struct order_cards cards = {.mac = {k->is.mac}, .count = 1};
	char text[ORDER_TEXT_SIZE];

	if (k->is.state != ORDER_RUNNING || order_is_held(k) || now_ms < deadline_ms(&k->is))
		return false;
	int64_t heard_ms = order_heard_ms(t, &cards);
	bool silent = heard_ms && heard_ms + ORDER_HEARD_MS <= now_ms;
	int len = snprintf(text, sizeof(text), "it had not ended within %u s", k->is.timeout_s);
	if (silent)
		snprintf(text + len, sizeof(text) - (size_t)len,
		    ", and its agent has been silent for %lld s",
		    (long long)(now_ms - heard_ms) / 1000);
	order_finish(t, k,
	    &(struct order_end){.text = text,
		.hint =
		    silent
			? "look whether the machine is on and its line is there; then have it begun again"
			: "give it more time with \"deadline_s\", or look at the machine's console"},
	    now_ms);
	return true;
}

/* ---- handed out --------------------------------------------------------------------------- */

/* Why it is not handed out (again); NULL: it is. */
static const char *lost(const struct order *o)
{
	if (o->begun && !order_row(o->action)->again)
		return "the machine started anew in the middle of it";
	if (o->given < ORDER_GIVEN_MAX)
		return NULL;
	return o->begun ? "the machine started anew three times in the middle of it"
			: "the agent got it three times and did not tell its end";
}

static void finish_lost(struct orders *t, struct order_kept *k, const char *why, int64_t now_ms)
{
	const struct order_end how = {.text = why,
	    .hint =
		k->is.begun
		    ? "it may be half done: look, then begin it again (`vmlab order resume`)"
		    : "look at the machine's console, then begin it again (`vmlab order resume`)"};

	order_finish(t, k, &how, now_ms);
}

bool orders_give(
    struct orders *t, const struct order_cards *cards, int64_t now_ms, struct order *out)
{
	bool found = false;

	pthread_mutex_lock(&t->lock);
	order_hear(t, cards, now_ms);
	for (size_t i = 0; i < t->count && t->open > 0 && !found; i++) {
		struct order_kept *k = &t->items[i];
		if (!order_is_for(&k->is, cards))
			continue;
		if (order_is_held(k))
			break; /* whether it or the next is to be done is not known yet */
		if (!order_is_open(&k->is) || order_overdue(t, k, now_ms))
			continue;
		const char *why = lost(&k->is);
		if (why) {
			finish_lost(t, k, why, now_ms);
			continue;
		}
		if (k->is.given++ == 0)
			k->is.begun_ms = now_ms;
		order_set_state(t, k, ORDER_RUNNING);
		order_copy(&k->is, out);
		int64_t left_ms = deadline_ms(&k->is) - ORDER_GRACE_MS - now_ms;
		out->timeout_s = left_ms > 1000 ? (unsigned)(left_ms / 1000) : 1;
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

static int is_over(const struct order *o, struct err *e)
{
	return err_set(e, EBUSY, "order %lld is over: %s", (long long)o->id,
	    o->text[0] ? o->text : order_state_name(o->state));
}

static int check_running(struct orders *t, struct order_kept *k, int64_t now_ms, struct err *e)
{
	int r = k ? order_check_held(k, e) : -ENOENT;

	if (r < 0)
		return r;
	if (k->is.state == ORDER_WAITING)
		return err_set(e, EBUSY,
		    "order %lld has not been given to this machine yet: poll for it first",
		    (long long)k->is.id);
	bool over = order_overdue(t, k, now_ms) || k->is.state != ORDER_RUNNING;
	return over ? is_over(&k->is, e) : 0;
}

int orders_running(
    struct orders *t, const struct order_cards *cards, int64_t id, int64_t now_ms, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	order_hear(t, cards, now_ms);
	int r = check_running(t, order_kept_find(t, cards, id, e), now_ms, e);
	pthread_mutex_unlock(&t->lock);
	return r;
}

int orders_progress(struct orders *t, const struct order_cards *cards, int64_t id,
    const struct order_progress *now, int64_t now_ms, bool *first, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	order_hear(t, cards, now_ms);
	struct order_kept *k = order_kept_find(t, cards, id, e);
	int r = check_running(t, k, now_ms, e);
	if (r == 0) {
		*first = !k->is.begun;
		bool another = now->phase && strcmp(now->phase, k->is.phase) != 0;
		k->is.begun = true;
		if (now->phase)
			say(k->is.phase, sizeof(k->is.phase), now->phase);
		say(k->is.text, sizeof(k->is.text), now->text);
		k->is.done_bytes = now->done_bytes;
		k->is.total_bytes = now->total_bytes;
		if (*first || another)
			order_mark(t, k);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* Whether its end can be told now; 0, ORDER_ENDED_BEFORE, -ENOENT or -EBUSY. */
static int may_end(const struct order_kept *k, struct err *e)
{
	int r = k ? order_check_held(k, e) : -ENOENT;

	if (r < 0)
		return r;
	if (!order_is_open(&k->is) && k->is.state != ORDER_STOPPED)
		return ORDER_ENDED_BEFORE;
	if (k->is.state == ORDER_RUNNING)
		return 0;
	return err_set(e, EBUSY,
	    "order %lld cannot have ended: this machine has not been given it yet",
	    (long long)k->is.id);
}

int orders_end(struct orders *t, const struct order_cards *cards, int64_t id,
    const struct order_end *how, int64_t now_ms, struct order *out, struct err *e)
{
	bool off = false;

	pthread_mutex_lock(&t->lock);
	struct order_kept *k = order_kept_find(t, cards, id, e);
	int r = may_end(k, e);
	if (r == 0) {
		order_finish(t, k, how, now_ms);
		if (how->ok && order_row(k->is.action)->ends)
			order_hear(t, cards, 0);
		off = turns_network_off(t, &k->is);
	}
	if (r >= 0) {
		order_copy(&k->is, out);
		out->netboot_off = off;
	}
	if (r == 0)
		order_make_bytes(t);
	pthread_mutex_unlock(&t->lock);
	return r;
}

int64_t orders_expire(struct orders *t, int64_t now_ms)
{
	int64_t next = -1;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count && t->open > 0; i++) {
		struct order_kept *k = &t->items[i];
		if (k->is.state != ORDER_RUNNING || order_overdue(t, k, now_ms))
			continue;
		int64_t left = order_is_held(k) ? HELD_MS : deadline_ms(&k->is) - now_ms;
		next = next < 0 || left < next ? left : next;
	}
	pthread_mutex_unlock(&t->lock);
	return next;
}

/* ---- the operator's ----------------------------------------------------------------------- */

/* What orders_cancel() or orders_resume() changes of a list. */
static bool is_cancelled(const struct order *o)
{
	return order_is_open(o) || o->state == ORDER_STOPPED;
}

static bool is_resumed(const struct order *o)
{
	return o->state != ORDER_DONE;
}

/* All of it and after it in its list that will be changed, or none. */
static int hold_list(
    struct orders *t, struct order_kept *k, bool (*is_meant)(const struct order *o), struct err *e)
{
	int r = 0;

	for (struct order_kept *n = k; r == 0 && n; n = next_of_list(t, n))
		r = order_check_held(n, e);
	if (r < 0)
		return r;
	for (struct order_kept *n = k; r == 0 && n; n = next_of_list(t, n))
		r = is_meant(&n->is) ? order_hold(n, e) : 0;
	for (struct order_kept *n = k; r < 0 && n; n = next_of_list(t, n))
		order_let_go(n);
	return r;
}

int orders_cancel(struct orders *t, const struct order_cards *cards, int64_t id, int64_t now_ms,
    struct order *out, struct err *e)
{
	unsigned count = 0;

	pthread_mutex_lock(&t->lock);
	struct order_kept *k = order_kept_find(t, cards, id, e);
	int r = k ? hold_list(t, k, is_cancelled, e) : -ENOENT;
	for (struct order_kept *n = k; r == 0 && n; n = next_of_list(t, n))
		if (is_cancelled(&n->is)) {
			say(n->is.text, sizeof(n->is.text), "the operator took it back");
			end_as(t, n, ORDER_CANCELLED, now_ms);
			count++;
		}
	if (r == 0 && count == 0)
		r = is_over(&k->is, e);
	if (r == 0)
		order_copy(&k->is, out);
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int check_resume(const struct orders *t, const struct order *o, struct err *e)
{
	unsigned count = 0;

	if (o->state == ORDER_DONE || order_is_open(o))
		return err_set(e, EBUSY,
		    "order %lld is %s: only what did not end well is begun again", (long long)o->id,
		    order_state_name(o->state));
	for (size_t i = 0; i < t->count; i++) {
		const struct order *other = &t->items[i].is;
		if (other->list != o->list)
			continue;
		if (order_is_open(other))
			return err_set(e, EBUSY,
			    "order %lld of the same list is %s: take it back first",
			    (long long)other->id, order_state_name(other->state));
		if (other->id < o->id || other->state == ORDER_DONE)
			continue;
		int r = order_check_name(t, other, e);
		if (r < 0)
			return r;
		count++;
	}
	return order_check_open(t, &o->mac, count, e);
}

static void begin_again(struct orders *t, struct order_kept *k)
{
	struct order *o = &k->is;

	o->given = 0;
	o->begun = false;
	o->begun_ms = o->ended_ms = o->done_bytes = o->total_bytes = 0;
	o->phase[0] = o->text[0] = o->hint[0] = '\0';
	if (o->figures) {
		size_t bytes = json_dumpb(o->figures, NULL, 0, JSON_COMPACT);
		k->bytes -= bytes;
		t->bytes -= bytes;
		json_decref(o->figures);
		o->figures = NULL;
	}
	t->news -= k->news;
	k->news = false;
	order_set_state(t, k, ORDER_WAITING);
}

int orders_resume(struct orders *t, const struct order_cards *cards, int64_t id, int64_t now_ms,
    struct order *out, struct err *e)
{
	(void)now_ms;
	pthread_mutex_lock(&t->lock);
	struct order_kept *k = order_kept_find(t, cards, id, e);
	int r = k ? check_resume(t, &k->is, e) : -ENOENT;
	if (r == 0)
		r = hold_list(t, k, is_resumed, e);
	for (struct order_kept *n = k; r == 0 && n; n = next_of_list(t, n))
		if (is_resumed(&n->is))
			begin_again(t, n);
	if (r == 0)
		order_copy(&k->is, out);
	pthread_mutex_unlock(&t->lock);
	return r;
}
