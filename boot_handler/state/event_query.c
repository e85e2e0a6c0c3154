#include "boot_handler/state/event_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool names_vm(const struct event_query *q)
{
	return q->vm && q->vm[0];
}

static bool has_mac(const struct event_query *q, const struct mac *mac)
{
	for (unsigned i = 0; i < q->macs; i++)
		if (mac_equal(&q->mac[i], mac))
			return true;
	return false;
}

bool event_query_fits(const struct event_query *q, const struct event *event)
{
	return (!names_vm(q) || strcmp(q->vm, event->vm) == 0) &&
	       (q->macs == 0 || has_mac(q, &event->mac)) &&
	       (q->kinds == 0 || (q->kinds >> event->kind & 1)) &&
	       (!q->has_least || event->severity >= q->least) &&
	       (q->since_ms == 0 || event->at_ms >= q->since_ms) &&
	       (q->until_ms == 0 || event->at_ms < q->until_ms);
}

/* ---- as SQL: the same conditions, in the same order, and their values in event_query_bind() ---
 */

/* "?,?,?" */
static void put_places(FILE *f, const char *what, unsigned count)
{
	fprintf(f, " AND %s IN (", what);
	for (unsigned i = 0; i < count; i++)
		fputs(i == 0 ? "?" : ",?", f);
	fputc(')', f);
}

static void put_conditions(FILE *f, const struct event_query *q)
{
	fputs(" WHERE id > ?", f);
	if (names_vm(q))
		fputs(" AND vm = ?", f);
	if (q->macs)
		put_places(f, "mac", q->macs);
	if (q->kinds)
		put_places(f, "kind", (unsigned)__builtin_popcountll(q->kinds));
	if (q->has_least)
		fputs(" AND severity >= ?", f);
	if (q->since_ms)
		fputs(" AND at_ms >= ?", f);
	if (q->until_ms)
		fputs(" AND at_ms < ?", f);
}

char *event_query_sql(const struct event_query *q, const char *select)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "%s%s", q->newest ? "SELECT * FROM (" : "", select);
	put_conditions(f, q);
	fprintf(f, " ORDER BY id%s LIMIT ?%s", q->newest ? " DESC" : "",
	    q->newest ? ") ORDER BY id" : "");
	return fclose(f) == 0 ? text : NULL;
}

void event_query_bind(const struct event_query *q, sqlite3_stmt *s)
{
	char mac[MAC_TEXT_SIZE];
	int n = 1;

	sqlite3_bind_int64(s, n++, q->newest ? 0 : (sqlite3_int64)q->after);
	if (names_vm(q))
		sqlite3_bind_text(s, n++, q->vm, -1, SQLITE_STATIC);
	for (unsigned i = 0; i < q->macs; i++)
		sqlite3_bind_text(s, n++, mac_format(&q->mac[i], mac), -1, SQLITE_TRANSIENT);
	for (size_t i = 0; i < event_kinds(); i++)
		if (q->kinds >> i & 1)
			sqlite3_bind_text(
			    s, n++, event_info((enum event_kind)i)->name, -1, SQLITE_STATIC);
	if (q->has_least)
		sqlite3_bind_int(s, n++, q->least);
	if (q->since_ms)
		sqlite3_bind_int64(s, n++, q->since_ms);
	if (q->until_ms)
		sqlite3_bind_int64(s, n++, q->until_ms);
	sqlite3_bind_int64(s, n, q->limit);
}
