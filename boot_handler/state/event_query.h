/* event_query.h - which events are wanted: one question, asked of the state file and of events that
 * happen just now, with one answer. Pure.
 */
#ifndef BOOT_HANDLER_STATE_EVENT_QUERY_H
#define BOOT_HANDLER_STATE_EVENT_QUERY_H

#include <sqlite3.h>

#include "lib/machine/event.h"

#define EVENT_QUERY_MACS 8

/* Zeroed but for `limit`: all. They always come in the order of their ids. */
struct event_query {
	bool newest; /* the last `limit` ones; else the first `limit` with id > after */
	uint64_t after;
	unsigned limit;
	const char *vm; /* of this name only; NULL or "": of any. Borrowed */
	struct mac mac[EVENT_QUERY_MACS];
	unsigned macs;  /* of these only; 0: of any */
	uint64_t kinds; /* a bit for each kind; 0: all of them */
	bool has_least;
	enum event_severity least; /* of this severity or more */
	int64_t since_ms;          /* not before this; 0: since ever */
	int64_t until_ms;          /* before this; 0: whenever */
};

/* But for `newest`, `after` and `limit`. */
bool event_query_fits(const struct event_query *query, const struct event *event);

/* The statement, given "SELECT ... FROM event"; the caller frees it, NULL without memory. */
char *event_query_sql(const struct event_query *query, const char *select);
/* Its values. Text is borrowed until the statement is reset. */
void event_query_bind(const struct event_query *query, sqlite3_stmt *s);

#endif
