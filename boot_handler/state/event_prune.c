#include "boot_handler/state/event_prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/net/addr.h"

/* Of those that are too old so many go at once: the writer's thread has others waiting. */
#define OLD_AT_ONCE 5000
#define NOT_NEWEST "id < (SELECT max(id) FROM event)"

static void cleanup_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

static int smaller_first(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

unsigned event_prune_level(unsigned *counts, size_t n, const struct event_retention *rule)
{
	uint64_t left = rule->total;

	qsort(counts, n, sizeof(*counts), smaller_first);
	for (size_t i = 0; i < n; i++) {
		uint64_t share = left / (n - i);
		if (counts[i] > share)
			return share < rule->of_one ? (unsigned)share : rule->of_one;
		left -= counts[i];
	}
	return rule->of_one;
}

/* Ids grow with time, but for clocks that are set back. */
static int drop_old(sqlite3 *db, int64_t before_ms)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(db,
	    "DELETE FROM event WHERE at_ms < ?1 AND " NOT_NEWEST " AND id <="
	    " (SELECT max(id) FROM (SELECT id FROM event ORDER BY id LIMIT ?2))",
	    -1, &s, NULL);

	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(s, 1, before_ms);
	sqlite3_bind_int64(s, 2, OLD_AT_ONCE);
	code = sqlite3_step(s);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- who has how many -------------------------------------------------------------------- */

struct owner {
	char mac[MAC_TEXT_SIZE]; /* "": all strangers */
	unsigned count;
};

struct owners {
	struct owner *items;
	size_t count;
};

static void cleanup_owners(struct owners *o)
{
	free(o->items);
}

static int count_owners(sqlite3 *db, struct owners *out)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(db,
	    "SELECT CASE stranger WHEN 0 THEN mac ELSE '' END AS owner, count(*) FROM event"
	    " GROUP BY owner",
	    -1, &s, NULL);

	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(s);
		if (code != SQLITE_ROW)
			break;
		struct owner *bigger = realloc(out->items, (out->count + 1) * sizeof(*out->items));
		if (!bigger)
			return SQLITE_NOMEM;
		out->items = bigger;
		struct owner *o = &out->items[out->count++];
		const char *mac = (const char *)sqlite3_column_text(s, 0);
		snprintf(o->mac, sizeof(o->mac), "%s", mac ? mac : "");
		o->count = (unsigned)sqlite3_column_int64(s, 1);
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int level_of(
    const struct owners *owners, const struct event_retention *rule, unsigned *level)
{
	_cleanup_free_ unsigned *counts = calloc(owners->count + 1, sizeof(*counts));

	if (!counts)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < owners->count; i++)
		counts[i] = owners->items[i].count;
	*level = event_prune_level(counts, owners->count, rule);
	return SQLITE_OK;
}

/* Keeps the newest `level`. */
static int trim(sqlite3 *db, const struct owner *owner, unsigned level)
{
	static const char of_one[] =
	    "DELETE FROM event WHERE mac = ?1 AND stranger = 0 AND " NOT_NEWEST " AND id <="
	    " (SELECT id FROM event WHERE mac = ?1 AND stranger = 0"
	    " ORDER BY id DESC LIMIT 1 OFFSET ?2)";
	static const char of_strangers[] =
	    "DELETE FROM event WHERE stranger <> 0 AND " NOT_NEWEST " AND id <="
	    " (SELECT id FROM event WHERE stranger <> 0"
	    " ORDER BY id DESC LIMIT 1 OFFSET ?2)";
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(db, owner->mac[0] ? of_one : of_strangers, -1, &s, NULL);

	if (code != SQLITE_OK)
		return code;
	if (owner->mac[0])
		sqlite3_bind_text(s, 1, owner->mac, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, level);
	code = sqlite3_step(s);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int event_prune(sqlite3 *db, const struct event_retention *rule, int64_t now_ms)
{
	_cleanup_(cleanup_owners) struct owners owners = {0};
	unsigned level = 0;

	int code = drop_old(db, now_ms - rule->age_ms);
	if (code == SQLITE_OK)
		code = count_owners(db, &owners);
	if (code == SQLITE_OK)
		code = level_of(&owners, rule, &level);
	for (size_t i = 0; code == SQLITE_OK && i < owners.count; i++)
		if (owners.items[i].count > level)
			code = trim(db, &owners.items[i], level);
	return code;
}
