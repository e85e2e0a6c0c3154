/* event_prune.h - inside of db.h: how long events are kept, and how many.
 *
 * None is older than the age. There are no more than the total, and of one machine no more than its
 * quota; all strangers together count as one machine, as anyone can invent them. Where the total is
 * too much, whoever has the most gives first: what has fewer loses nothing by it. The newest stays
 * in any case: the next one's id is made of it, and ids are not to come twice.
 */
#ifndef BOOT_HANDLER_STATE_EVENT_PRUNE_H
#define BOOT_HANDLER_STATE_EVENT_PRUNE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct event_retention {
	int64_t age_ms;
	unsigned total;
	unsigned of_one; /* at most: the quota of one machine */
};

/* How many one may keep, so that all together are no more than the total. Pure; sorts `counts`. */
unsigned event_prune_level(unsigned *counts, size_t n, const struct event_retention *rule);

/* In the caller's transaction. SQLITE_OK or SQLite's code. */
int event_prune(sqlite3 *db, const struct event_retention *rule, int64_t now_ms);

#endif
