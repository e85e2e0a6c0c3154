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

/* What an event takes in the file, with its place in the index: its texts, and the rest. */
#define TEXT_BYTES(column) "coalesce(length(CAST(" column " AS BLOB)), 0)"
#define EVENT_BYTES                                                                                \
	"(90 + " TEXT_BYTES("vm") " + " TEXT_BYTES("text") " + " TEXT_BYTES(                       \
	    "source") " + " TEXT_BYTES("data") ")"

static int smaller_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t event_prune_level(uint64_t *counts, size_t n, const struct event_bound *bound)
{
	uint64_t left = bound->total;

	qsort(counts, n, sizeof(*counts), smaller_first);
	for (size_t i = 0; i < n; i++) {
		uint64_t share = left / (n - i);
		if (counts[i] > share)
			return share < bound->of_one ? share : bound->of_one;
		left -= counts[i];
	}
	return bound->of_one;
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

/* ---- who has how much -------------------------------------------------------------------- */

enum measure { NUMBER, BYTES, MEASURES };

struct owner {
	char mac[MAC_TEXT_SIZE]; /* "": all strangers */
	uint64_t has[MEASURES];
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
	    "SELECT CASE stranger WHEN 0 THEN mac ELSE '' END AS owner, count(*),"
	    " sum(" EVENT_BYTES ") FROM event GROUP BY owner",
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
		for (int i = 0; i < MEASURES; i++)
			o->has[i] = (uint64_t)sqlite3_column_int64(s, 1 + i);
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int level_of(const struct owners *owners, enum measure measure,
    const struct event_bound *bound, uint64_t *level)
{
	_cleanup_free_ uint64_t *counts = calloc(owners->count + 1, sizeof(*counts));

	if (!counts)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < owners->count; i++)
		counts[i] = owners->items[i].has[measure];
	*level = event_prune_level(counts, owners->count, bound);
	return SQLITE_OK;
}

/* All but the newest that have `level` together. */
#define TRIM(of, measure)                                                                          \
	"DELETE FROM event WHERE " of " AND " NOT_NEWEST " AND id <= (SELECT max(id) FROM"         \
	" (SELECT id, sum(" measure ") OVER (ORDER BY id DESC) AS has FROM event WHERE " of ")"    \
	" WHERE has > ?2)"
#define OF_ONE "mac = ?1 AND stranger = 0"
#define OF_STRANGERS "stranger <> 0"

static int trim(sqlite3 *db, const struct owner *owner, enum measure measure, uint64_t level)
{
	static const char *const statements[MEASURES][2] = {
	    [NUMBER] = {TRIM(OF_STRANGERS, "1"), TRIM(OF_ONE, "1")},
	    [BYTES] = {TRIM(OF_STRANGERS, EVENT_BYTES), TRIM(OF_ONE, EVENT_BYTES)},
	};
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(db, statements[measure][owner->mac[0] != '\0'], -1, &s, NULL);

	if (code != SQLITE_OK)
		return code;
	if (owner->mac[0])
		sqlite3_bind_text(s, 1, owner->mac, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 2, (int64_t)level);
	code = sqlite3_step(s);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int trim_all(
    sqlite3 *db, const struct owners *owners, enum measure measure, const struct event_bound *bound)
{
	uint64_t level = 0;
	int code = level_of(owners, measure, bound, &level);

	for (size_t i = 0; code == SQLITE_OK && i < owners->count; i++)
		if (owners->items[i].has[measure] > level)
			code = trim(db, &owners->items[i], measure, level);
	return code;
}

int event_prune(sqlite3 *db, const struct event_retention *rule, int64_t now_ms)
{
	_cleanup_(cleanup_owners) struct owners owners = {0};

	int code = drop_old(db, now_ms - rule->age_ms);
	if (code == SQLITE_OK)
		code = count_owners(db, &owners);
	if (code == SQLITE_OK)
		code = trim_all(db, &owners, NUMBER, &rule->number);
	if (code == SQLITE_OK)
		code = trim_all(db, &owners, BYTES, &rule->bytes);
	return code;
}
