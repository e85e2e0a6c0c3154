/* order.h - what machines were ordered to do, numbered: waiting for the agent, handed to it, ended.
 *
 * Those given together are a list: one after the other, and none after one that did not end well.
 * An order is handed out until its end is heard, ORDER_GIVEN_MAX times at most, since answers get
 * lost; one that the agent has begun with, and is asked for again, was lost with the machine's
 * memory, and only some rows may be begun twice. In memory, and in the state file before the
 * operator is answered. At most ORDERS_MAX are kept, with ORDERS_BYTES_MAX of arguments and
 * figures, of those that have ended the newest, and ORDERS_OPEN_MAX of one machine are open. All
 * functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_ORDER_H
#define BOOT_HANDLER_STATE_ORDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/image/image_name.h"
#include "lib/machine/machine.h"
#include "lib/machine/order.h"
#include "lib/order/order_read.h"

#define ORDERS_MAX 10000
#define ORDERS_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define ORDERS_OPEN_MAX 16
#define ORDER_GIVEN_MAX 3
#define ORDER_TEXT_SIZE 200
#define ORDER_PHASE_SIZE 24
/* How much longer than the agent, which ends what it does, the server waits for the end. */
#define ORDER_GRACE_MS 20000

struct order {
	int64_t id;
	int64_t list; /* the first of those it was given with */
	struct mac mac;
	char vm[MACHINE_NAME_SIZE]; /* "": no definition had the machine */
	enum order_action action;
	enum order_state state;
	int64_t created_ms, begun_ms, ended_ms; /* 0: not yet */
	unsigned given, timeout_s;
	bool begun;    /* the agent has told of it */
	bool boot_due; /* it has ended, and the next boot is what its row says */
	char phase[ORDER_PHASE_SIZE];
	int64_t done_bytes, total_bytes; /* 0: there are none */
	char text[ORDER_TEXT_SIZE];      /* how far it is, or how it ended */
	char hint[ORDER_TEXT_SIZE];
	json_t *args, *figures; /* or NULL; never changed */
	/* Of a copy alone: it was the last of its list, all is well, and the machine is not to boot
	 * from the network any more. */
	bool netboot_off;
};

/* What is handed out are copies, to be cleared. */
void order_clear(struct order *o);
static inline void cleanup_order(struct order *o)
{
	order_clear(o);
}
#define _cleanup_order_ __attribute__((cleanup(cleanup_order)))

/* The cards by which a machine may be meant. */
struct order_cards {
	struct mac mac[5];
	unsigned count;
};

struct orders;

must_check int orders_new(struct orders **out, struct err *e);
void orders_free(struct orders *t); /* NULL is allowed */

/* What orders_add(), orders_cancel() and orders_resume() change is held: nobody is handed it, hears
 * of it or changes it (-ETIMEDOUT) until this is called, once for the list, which has it so where
 * it is on disk (`saved`), and as it was before where not. */
void orders_settle(struct orders *t, int64_t list, bool saved);

/* Those of the list, in its order, into `out`. -EBUSY: too many are open. */
must_check int orders_add(struct orders *t, const struct mac *mac, const char *vm,
    const struct order_list *list, int64_t now_ms, struct order out[ORDER_LIST_MAX], struct err *e);
/* The oldest open one; false: there is none. */
bool orders_give(
    struct orders *t, const struct order_cards *cards, int64_t now_ms, struct order *out);

/* How far one is. 0: it is to go on; -EBUSY: it is over, with the sentence; -ENOENT: this machine
 * has no such order. */
struct order_progress {
	const char *phase, *text; /* or NULL */
	int64_t done_bytes, total_bytes;
};
/* `first`: the agent had not told of it before. */
must_check int orders_progress(struct orders *t, const struct order_cards *cards, int64_t id,
    const struct order_progress *now, int64_t now_ms, bool *first, struct err *e);

/* Whether it is on its way, as orders_progress() tells it. */
must_check int orders_running(
    struct orders *t, const struct order_cards *cards, int64_t id, int64_t now_ms, struct err *e);

#define ORDER_ENDED_BEFORE 1
struct order_end {
	bool ok;
	const char *text, *phase, *hint; /* or NULL */
	json_t *figures;                 /* or NULL */
};
/* 0, ORDER_ENDED_BEFORE, -ENOENT: this machine has no such order, or -EBUSY: it was not given it.
 * `out` is its copy unless it is one of the last two. */
must_check int orders_end(struct orders *t, const struct order_cards *cards, int64_t id,
    const struct order_end *how, int64_t now_ms, struct order *out, struct err *e);

/* The operator takes back what has not ended of it and of those after it in its list; or has that
 * begun again which did not end well, and those after it. `out` is its copy. -ENOENT, or -EBUSY
 * with why not. */
must_check int orders_cancel(struct orders *t, const struct order_cards *cards, int64_t id,
    int64_t now_ms, struct order *out, struct err *e);
must_check int orders_resume(struct orders *t, const struct order_cards *cards, int64_t id,
    int64_t now_ms, struct order *out, struct err *e);

/* Ends those whose time is over. When to come again, in ms; -1: not before one is begun. */
int64_t orders_expire(struct orders *t, int64_t now_ms);
/* The next that has ended and was not told of yet; false: there is none. */
bool orders_news(struct orders *t, struct order *out);

/* What the machine's next network boot is for: its disk or an image, ordered for once, or the
 * agent, which has something to do. Without a lock where nothing is. */
enum order_due { ORDER_DUE_NOTHING, ORDER_DUE_DISK, ORDER_DUE_IMAGE, ORDER_DUE_AGENT };
enum order_due orders_due(
    struct orders *t, const struct order_cards *cards, char image[IMAGE_NAME_SIZE]);
/* It asks what to boot: an agent that it had is there no more. `once`: this is the boot that was
 * ordered for once. */
void orders_asked(struct orders *t, const struct order_cards *cards, bool once);

/* Its agent said something that is about no order; what is about one is heard by the others. */
void orders_hear(struct orders *t, const struct order_cards *cards, int64_t now_ms);
/* Since when the agent of that machine is there, in ms since 1970, by what was heard of it; 0: it
 * was not heard of lately, or has left. */
#define ORDER_HEARD_MS 75000
int64_t orders_heard(struct orders *t, const struct order_cards *cards, int64_t now_ms);
/* For how long it was not, as far as this memory goes. */
int64_t orders_silent_ms(struct orders *t, const struct order_cards *cards, int64_t now_ms);
/* What it does, or else will do next; false: nothing. */
bool orders_current(struct orders *t, const struct order_cards *cards, struct order *out);

/* The newest first, at most `most`; how many. */
unsigned orders_of(
    struct orders *t, const struct order_cards *cards, struct order *out, unsigned most);
/* What can still become of one, of whatever machine: it is open, or orders_resume() may open it. */
enum order_use { ORDER_USE_NONE, ORDER_USE_RESUMABLE, ORDER_USE_OPEN };
enum order_use orders_use(struct orders *t, int64_t id);
/* -ENOENT: this machine has no such order. */
must_check int orders_find(struct orders *t, const struct order_cards *cards, int64_t id,
    struct order *out, struct err *e);

#endif
