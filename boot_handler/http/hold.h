/* hold.h - inside of server.h: requests that are put aside until somebody wakes them or their time
 * is over. Meanwhile they have no thread.
 *
 * At most HOLD_MAX, one for each key: a newer one ends the time of the older. All functions are
 * safe in every thread.
 */
#ifndef BOOT_HANDLER_HTTP_HOLD_H
#define BOOT_HANDLER_HTTP_HOLD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define HOLD_MAX 3000
#define HOLD_FEW_MAX 2000

/* One request's; zeroed before. */
struct held {
	struct MHD_Connection *connection;
	uint64_t key;
	int64_t until_ms; /* monotonic; 0: not yet held for the first time */
	bool few;         /* one of those of which HOLD_FEW_MAX are held */
	bool over;        /* its time is: not to be held again */
	bool on;
	unsigned index;
};

struct holds;

must_check int holds_new(struct holds **out, struct err *e);
void holds_free(struct holds *h); /* NULL is allowed */

/* How often anyone was woken, to be asked before it is decided that there is nothing to do. */
uint64_t holds_count(struct holds *h);

enum hold { HOLD_IS, HOLD_LOOK_AGAIN, HOLD_FULL };
/* Puts the request aside, in its handler. HOLD_LOOK_AGAIN: someone was woken since `count`. */
enum hold holds_put(struct holds *h, struct held *held, uint64_t count);
/* Its connection ends. */
void holds_drop(struct holds *h, struct held *held);
void holds_wake(struct holds *h, uint64_t key);

/* Wakes those whose time is over. In how many ms to come again, -1: when `fd` is readable. */
int holds_round(struct holds *h);
int holds_fd(const struct holds *h);
/* Wakes all, for good. */
void holds_stop(struct holds *h);

#endif
