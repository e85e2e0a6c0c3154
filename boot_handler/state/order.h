/* order.h - what machines were ordered to do, numbered: waiting for the agent, handed to it, ended.
 *
 * An order is handed out until its end is heard, ORDER_GIVEN_MAX times at most, since answers get
 * lost. In memory, and in the state file before the operator is answered. At most ORDERS_MAX are
 * kept, of those that have ended the newest, and ORDERS_OPEN_MAX of one machine are open. All
 * functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_ORDER_H
#define BOOT_HANDLER_STATE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/machine.h"
#include "lib/machine/order.h"

#define ORDERS_MAX 10000
#define ORDERS_OPEN_MAX 16
#define ORDER_GIVEN_MAX 3
#define ORDER_TEXT_SIZE 200

struct order {
	int64_t id;
	struct mac mac;
	char vm[MACHINE_NAME_SIZE]; /* "": no definition had the machine */
	enum order_action action;
	enum order_state state;
	int64_t created_ms, begun_ms, ended_ms; /* 0: not yet */
	unsigned given;
	bool disk_due;              /* a "local" that has ended: the next boot is from disk */
	char text[ORDER_TEXT_SIZE]; /* how it ended */
};

/* The cards by which a machine may be meant. */
struct order_cards {
	struct mac mac[5];
	unsigned count;
};

struct orders;

must_check int orders_new(struct orders **out, struct err *e);
void orders_free(struct orders *t); /* NULL is allowed */

/* -EBUSY: too many are open. */
must_check int orders_add(struct orders *t, const struct mac *mac, const char *vm,
    enum order_action action, int64_t now_ms, struct order *out, struct err *e);
/* The oldest open one; false: there is none. */
bool orders_give(
    struct orders *t, const struct order_cards *cards, int64_t now_ms, struct order *out);
#define ORDER_ENDED_BEFORE 1
/* 0, ORDER_ENDED_BEFORE, -ENOENT: this machine has no such order, or -EBUSY: it was not given it.
 */
must_check int orders_end(struct orders *t, const struct order_cards *cards, int64_t id, bool ok,
    const char *text, int64_t now_ms, struct order *out, struct err *e);
/* Whether its next boot is to be from disk; `now`: this is it. */
bool orders_disk_due(struct orders *t, const struct order_cards *cards, bool now);

/* The newest first, at most `most`; how many. */
unsigned orders_of(
    struct orders *t, const struct order_cards *cards, struct order *out, unsigned most);

#endif
