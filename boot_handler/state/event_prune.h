/* event_prune.h - inside of db.h: how long events are kept, how many, and in how many bytes.
 *
 * None is older than the age. There are no more than the total, and of one machine no more than its
 * quota, in number and in bytes of the file; all strangers together count as one machine, as anyone
 * can invent them. Where the total is too much, whoever has the most gives first: what has fewer
 * loses nothing by it. So it is when this was done; until the next time (PRUNE_EVERY of writer.c)
 * there may be more. The newest stays in any case: the next one's id is made of it, and ids are not
 * to come twice.
 */
#ifndef BOOT_HANDLER_STATE_EVENT_PRUNE_H
#define BOOT_HANDLER_STATE_EVENT_PRUNE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct event_bound {
	uint64_t total;
	uint64_t of_one; /* at most: the quota of one machine */
};

struct event_retention {
	int64_t age_ms;
	struct event_bound number, bytes;
};

/* How much one may keep, so that all together have no more than the total. Pure; sorts `counts`. */
uint64_t event_prune_level(uint64_t *counts, size_t n, const struct event_bound *bound);

/* In the caller's transaction. SQLITE_OK or SQLite's code. */
int event_prune(sqlite3 *db, const struct event_retention *rule, int64_t now_ms);

#endif
