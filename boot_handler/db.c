#include "boot_handler/db.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/log.h"

#define DB_VERSION 1
#define TEXT_OF(number) #number
#define NUMBER_TEXT(number) TEXT_OF(number)

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS machine ("
    " mac TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, local INTEGER NOT NULL,"
    " reinstall INTEGER NOT NULL, attempt INTEGER NOT NULL, phase TEXT, bytes INTEGER NOT NULL,"
    " total_bytes INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,"
    " leased_ip TEXT, error_phase TEXT, error_reason TEXT, error_hint TEXT,"
    " host_key_1 TEXT, host_key_2 TEXT, host_key_3 TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS log (mac TEXT PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS event ("
    " id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, mac TEXT NOT NULL, vm TEXT NOT NULL,"
    " kind TEXT NOT NULL, text TEXT NOT NULL, phase TEXT, bytes INTEGER NOT NULL,"
    " total_bytes INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);"
    "PRAGMA user_version = " NUMBER_TEXT(DB_VERSION) ";";

enum statement {
	PUT_ROW,
	PUT_EVENT,
	PUT_LOG,
	PUT_PROBE,
	PRUNE,
	BEGIN,
	COMMIT,
	STATEMENTS,
};

static const char *const statement_text[STATEMENTS] = {
    [PUT_ROW] = "INSERT OR REPLACE INTO machine VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_EVENT] = "INSERT OR REPLACE INTO event VALUES (?,?,?,?,?,?,?,?,?)",
    [PUT_LOG] = "INSERT OR REPLACE INTO log VALUES (?,?)",
    [PUT_PROBE] = "INSERT OR REPLACE INTO probe VALUES (1,?)",
    [PRUNE] = "DELETE FROM event WHERE id <= ?",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct db {
	sqlite3 *handle;
	sqlite3_stmt *statement[STATEMENTS];
};

static void cleanup_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

/* SQLite's codes fold into a few errno values; the text tells the rest. */
static int db_err(struct db *db, struct err *e, const char *doing)
{
	int code = db->handle ? sqlite3_errcode(db->handle) : SQLITE_NOMEM;
	int number = EIO;

	if (code == SQLITE_FULL)
		number = ENOSPC;
	else if (code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_CANTOPEN)
		number = EACCES;
	else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		number = EUCLEAN;
	return err_set(e, number, "cannot %s the state file: %s", doing,
	    db->handle ? sqlite3_errmsg(db->handle) : "out of memory");
}

static int exec(struct db *db, const char *sql, const char *doing, struct err *e)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_err(db, e, doing);
	return 0;
}

/* First column of the first row. */
static int query_text(struct db *db, const char *sql, char *out, size_t size, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		return db_err(db, e, "read");
	const char *text = (const char *)sqlite3_column_text(s, 0);
	snprintf(out, size, "%s", text ? text : "");
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statement[i]);
	sqlite3_close(db->handle);
	free(db);
}

static void cleanup_db(struct db **db)
{
	db_close(*db);
}

static int check_content(struct db *db, struct err *e)
{
	char text[200];

	int r = query_text(db, "PRAGMA quick_check(1)", text, sizeof(text), e);
	if (r < 0)
		return r;
	if (strcmp(text, "ok") != 0)
		return err_set(e, EUCLEAN, "the state file is damaged: %s", text);
	r = query_text(db, "PRAGMA user_version", text, sizeof(text), e);
	if (r < 0)
		return r;
	if (atoi(text) > DB_VERSION)
		return err_set(e, ENOTSUP,
		    "the state file was written by a newer version of this program (format %s, "
		    "known is %d): run that version, or move the file away",
		    text, DB_VERSION);
	return 0;
}

static int open_file(const char *path, struct db **out, struct err *e)
{
	_cleanup_(cleanup_db) struct db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		return db_err(db, e, "open");
	sqlite3_busy_timeout(db->handle, 5000);
	r = check_content(db, e);
	if (r < 0)
		return r;
	r = exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;", "set up", e);
	if (r < 0)
		return r;
	r = exec(db, schema, "set up", e);
	if (r < 0)
		return r;
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(db->handle, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
			&db->statement[i], NULL) != SQLITE_OK)
			return db_err(db, e, "use");
	*out = steal_ptr(db);
	return 0;
}

/* The WAL belongs to the damaged file: it must not be replayed into the new one. */
static int move_aside(const char *path, struct err *e)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	long stamp = (long)time(NULL);

	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *from = NULL;
		_cleanup_free_ char *to = NULL;

		if (asprintf(&from, "%s%s", path, suffixes[i]) < 0 ||
		    asprintf(&to, "%s.corrupt-%ld%s", path, stamp, suffixes[i]) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_errno(e, "cannot move the damaged state file %s aside", from);
	}
	log_error("state file was damaged and is set aside; starting with an empty one, so every "
		  "machine counts as never installed file=%s aside=%s.corrupt-%ld",
	    path, path, stamp);
	return 0;
}

int db_open(const char *path, struct db **out, struct err *e)
{
	int r = open_file(path, out, e);

	if (r == -EUCLEAN) {
		log_error("%s file=%s", e ? e->msg : "damaged", path);
		r = move_aside(path, e);
		if (r == 0)
			r = open_file(path, out, e);
	}
	return r < 0 ? err_wrap(e, "%s", path) : 0;
}

int db_open_reader(const char *path, struct db **out, struct err *e)
{
	_cleanup_(cleanup_db) struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		return db_err(db, e, "open");
	sqlite3_busy_timeout(db->handle, 2000);
	*out = steal_ptr(db);
	return 0;
}

static void bind_text(sqlite3_stmt *s, int i, const char *text)
{
	if (text && text[0])
		sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, i);
}

static void bind_required(sqlite3_stmt *s, int i, const char *text)
{
	sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

static int run(struct db *db, enum statement which, const char *doing, struct err *e)
{
	sqlite3_stmt *s = db->statement[which];
	int code = sqlite3_step(s);
	int r = code == SQLITE_DONE ? 0 : db_err(db, e, doing);

	sqlite3_reset(s);
	return r;
}

int db_begin(struct db *db, struct err *e)
{
	return run(db, BEGIN, "write to", e);
}

int db_commit(struct db *db, struct err *e)
{
	return run(db, COMMIT, "write to", e);
}

void db_rollback(struct db *db)
{
	sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int db_put_row(struct db *db, const struct machine_row *row, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_ROW];
	char mac[MAC_TEXT_SIZE];
	char ip[INET_ADDRSTRLEN] = "";

	if (row->leased_ip.s_addr)
		inet_ntop(AF_INET, &row->leased_ip, ip, sizeof(ip));
	bind_required(s, 1, mac_format(&row->mac, mac));
	bind_required(s, 2, row->name);
	bind_required(s, 3, machine_state_name(row->state));
	sqlite3_bind_int(s, 4, row->local);
	sqlite3_bind_int(s, 5, row->reinstall);
	sqlite3_bind_int64(s, 6, row->attempt);
	bind_text(s, 7, machine_phase_name(row->phase));
	sqlite3_bind_int64(s, 8, (sqlite3_int64)row->bytes);
	sqlite3_bind_int64(s, 9, (sqlite3_int64)row->total_bytes);
	sqlite3_bind_int64(s, 10, row->changed_at_ms);
	sqlite3_bind_int64(s, 11, row->last_seen_ms);
	bind_text(s, 12, ip);
	bind_text(s, 13, machine_phase_name(row->error_phase));
	bind_text(s, 14, row->error_reason);
	bind_text(s, 15, row->error_hint);
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		bind_text(s, 16 + i, row->host_key[i]);
	return run(db, PUT_ROW, "write to", e);
}

int db_put_event(struct db *db, const struct event *event, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_EVENT];
	char mac[MAC_TEXT_SIZE];

	sqlite3_bind_int64(s, 1, (sqlite3_int64)event->id);
	sqlite3_bind_int64(s, 2, event->at_ms);
	bind_required(s, 3, mac_format(&event->mac, mac));
	bind_required(s, 4, event->vm);
	bind_required(s, 5, event_kind_name(event->kind));
	bind_required(s, 6, event->text);
	bind_text(s, 7, machine_phase_name(event->phase));
	sqlite3_bind_int64(s, 8, (sqlite3_int64)event->bytes);
	sqlite3_bind_int64(s, 9, (sqlite3_int64)event->total_bytes);
	return run(db, PUT_EVENT, "write to", e);
}

int db_put_log(struct db *db, const struct mac *mac, const char *text, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_LOG];
	char mac_text[MAC_TEXT_SIZE];

	bind_required(s, 1, mac_format(mac, mac_text));
	bind_required(s, 2, text);
	return run(db, PUT_LOG, "write to", e);
}

int db_put_probe(struct db *db, struct err *e)
{
	sqlite3_bind_int64(db->statement[PUT_PROBE], 1, now_ms());
	return run(db, PUT_PROBE, "write to", e);
}

int db_prune(struct db *db, uint64_t newest_id, struct err *e)
{
	if (newest_id <= DB_EVENTS_KEPT)
		return 0;
	sqlite3_bind_int64(db->statement[PRUNE], 1, (sqlite3_int64)(newest_id - DB_EVENTS_KEPT));
	return run(db, PRUNE, "prune", e);
}

static const char *column(sqlite3_stmt *s, int i)
{
	const char *text = (const char *)sqlite3_column_text(s, i);
	return text ? text : "";
}

static void copy_column(sqlite3_stmt *s, int i, char *out, size_t size)
{
	snprintf(out, size, "%s", column(s, i));
}

static int row_from(sqlite3_stmt *s, struct machine_row *row)
{
	const char *mac = column(s, 0);

	memset(row, 0, sizeof(*row));
	row->eta_s = -1;
	if (mac_parse(mac, strlen(mac), &row->mac, NULL) < 0)
		return -EINVAL;
	copy_column(s, 1, row->name, sizeof(row->name));
	if (machine_state_parse(column(s, 2), &row->state) < 0)
		return -EINVAL;
	row->local = sqlite3_column_int(s, 3) != 0;
	row->reinstall = sqlite3_column_int(s, 4) != 0;
	row->attempt = (unsigned)sqlite3_column_int64(s, 5);
	if (machine_phase_parse(column(s, 6), &row->phase) < 0)
		row->phase = PHASE_NONE;
	row->bytes = (uint64_t)sqlite3_column_int64(s, 7);
	row->total_bytes = (uint64_t)sqlite3_column_int64(s, 8);
	row->changed_at_ms = sqlite3_column_int64(s, 9);
	row->last_seen_ms = sqlite3_column_int64(s, 10);
	if (inet_pton(AF_INET, column(s, 11), &row->leased_ip) != 1)
		row->leased_ip.s_addr = 0;
	if (machine_phase_parse(column(s, 12), &row->error_phase) < 0)
		row->error_phase = PHASE_NONE;
	copy_column(s, 13, row->error_reason, sizeof(row->error_reason));
	copy_column(s, 14, row->error_hint, sizeof(row->error_hint));
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		copy_column(s, 15 + i, row->host_key[i], sizeof(row->host_key[i]));
	return 0;
}

int db_load(struct db *db, void (*row)(void *ctx, const struct machine_row *row), void *ctx,
    struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	struct machine_row one;
	int code;

	if (sqlite3_prepare_v2(db->handle,
		"SELECT mac, name, state, local, reinstall, attempt, phase, bytes, total_bytes,"
		" changed_at_ms, last_seen_ms, leased_ip, error_phase, error_reason, error_hint,"
		" host_key_1, host_key_2, host_key_3 FROM machine",
		-1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		if (row_from(s, &one) < 0)
			log_warn("a row of the state file makes no sense and is skipped mac=%s",
			    column(s, 0));
		else
			row(ctx, &one);
	}
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
}

int db_last_event(struct db *db, uint64_t *id, struct err *e)
{
	char text[32];
	int r = query_text(db, "SELECT max(id) FROM event", text, sizeof(text), e);

	if (r < 0)
		return r;
	*id = strtoull(text, NULL, 10);
	return 0;
}

static int event_from(sqlite3_stmt *s, struct event *event)
{
	const char *mac = column(s, 2);

	memset(event, 0, sizeof(*event));
	event->id = (uint64_t)sqlite3_column_int64(s, 0);
	event->at_ms = sqlite3_column_int64(s, 1);
	if (mac_parse(mac, strlen(mac), &event->mac, NULL) < 0)
		return -EINVAL;
	copy_column(s, 3, event->vm, sizeof(event->vm));
	if (event_kind_parse(column(s, 4), &event->kind) < 0)
		return -EINVAL;
	copy_column(s, 5, event->text, sizeof(event->text));
	if (machine_phase_parse(column(s, 6), &event->phase) < 0)
		event->phase = PHASE_NONE;
	event->bytes = (uint64_t)sqlite3_column_int64(s, 7);
	event->total_bytes = (uint64_t)sqlite3_column_int64(s, 8);
	return 0;
}

/* Bound: 1 after, 2 vm, 3 limit. Ids grow, so that "after" is a range of the table's own key. */
static const char first_events[] =
    "SELECT * FROM event WHERE id > ?1 AND (?2 = '' OR vm = ?2) ORDER BY id LIMIT ?3";
static const char newest_events[] =
    "SELECT * FROM (SELECT * FROM event WHERE id > ?1 AND (?2 = '' OR vm = ?2)"
    " ORDER BY id DESC LIMIT ?3) ORDER BY id";

int db_read_events(struct db *db, const struct db_event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	const char *sql = query->newest ? newest_events : first_events;
	struct event one;
	int code;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	sqlite3_bind_int64(s, 1, query->newest ? 0 : (sqlite3_int64)query->after);
	bind_required(s, 2, query->vm);
	sqlite3_bind_int64(s, 3, query->limit);
	while ((code = sqlite3_step(s)) == SQLITE_ROW)
		if (event_from(s, &one) == 0)
			event(ctx, &one);
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
}

int db_read_log(struct db *db, const struct mac *mac, char **out, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	char mac_text[MAC_TEXT_SIZE];

	*out = NULL;
	if (sqlite3_prepare_v2(db->handle, "SELECT text FROM log WHERE mac = ?", -1, &s, NULL) !=
	    SQLITE_OK)
		return db_err(db, e, "read");
	bind_required(s, 1, mac_format(mac, mac_text));
	int code = sqlite3_step(s);
	if (code == SQLITE_DONE)
		return 0;
	if (code != SQLITE_ROW)
		return db_err(db, e, "read");
	*out = strdup(column(s, 0));
	return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}
