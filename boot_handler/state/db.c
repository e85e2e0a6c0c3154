#include "boot_handler/state/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot_handler/state/db_columns.h"
#include "boot_handler/state/inventory.h"
#include "boot_handler/state/order.h"
#include "boot_handler/state/stranger.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* What makes a file of version N of one of version N - 1; a new file is of version 0. What once
 * landed here stays as it is: files of every version are out there. */
static const char *const migrations[] = {
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
    "CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);",
    "ALTER TABLE machine ADD COLUMN leased_ip6 TEXT;"
    "ALTER TABLE machine ADD COLUMN seen_ip TEXT;"
    "ALTER TABLE machine ADD COLUMN seen_ip6 TEXT;",
    "ALTER TABLE machine ADD COLUMN nic TEXT;",
    "ALTER TABLE event ADD COLUMN source TEXT;",
    "ALTER TABLE machine ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE machine ADD COLUMN cloud_init TEXT;",
    "ALTER TABLE machine ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE event ADD COLUMN data TEXT;",
    "CREATE TABLE stranger ("
    " slot INTEGER PRIMARY KEY, mac_1 TEXT, mac_2 TEXT, mac_3 TEXT, mac_4 TEXT, uuid TEXT,"
    " serial TEXT, arch TEXT, platform TEXT, loader TEXT, version TEXT, manufacturer TEXT,"
    " product TEXT, asset TEXT, ip TEXT, ip6 TEXT, first_seen_ms INTEGER NOT NULL,"
    " last_seen_ms INTEGER NOT NULL, asked INTEGER NOT NULL, ignored INTEGER NOT NULL);",
    "ALTER TABLE machine ADD COLUMN netboot_off INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE stranger ADD COLUMN chosen TEXT;"
    "ALTER TABLE stranger ADD COLUMN chosen_at_ms INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE stranger ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE stranger ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE inventory ("
    " id INTEGER PRIMARY KEY, mac TEXT NOT NULL, at_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, hash INTEGER NOT NULL, text TEXT);"
    "CREATE TABLE agent_order ("
    " id INTEGER PRIMARY KEY, mac TEXT NOT NULL, vm TEXT NOT NULL, action TEXT NOT NULL,"
    " state TEXT NOT NULL, created_ms INTEGER NOT NULL, begun_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL, given INTEGER NOT NULL, disk_due INTEGER NOT NULL, text TEXT);",
    "ALTER TABLE agent_order ADD COLUMN list INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent_order ADD COLUMN timeout_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent_order ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent_order ADD COLUMN phase TEXT;"
    "ALTER TABLE agent_order ADD COLUMN done_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent_order ADD COLUMN total_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent_order ADD COLUMN hint TEXT;"
    "ALTER TABLE agent_order ADD COLUMN args TEXT;"
    "ALTER TABLE agent_order ADD COLUMN figures TEXT;",
};

#define DB_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

enum statement {
	PUT_ROW,
	PUT_EVENT,
	PUT_STRANGER,
	DROP_STRANGER,
	PUT_ORDER,
	DROP_ORDER,
	PUT_INVENTORY,
	TEXT_OF_INVENTORY,
	SEE_INVENTORY,
	DROP_INVENTORY,
	PUT_LOG,
	PUT_PROBE,
	PRUNE,
	BEGIN,
	COMMIT,
	STATEMENTS,
};

/* Those that are missing are made from the columns. */
static const char *const statement_text[STATEMENTS] = {
    [DROP_STRANGER] = "DELETE FROM stranger WHERE slot = ?",
    [DROP_ORDER] = "DELETE FROM agent_order WHERE id = ?",
    [TEXT_OF_INVENTORY] = "UPDATE inventory SET text = ?2 WHERE id = ?1",
    [SEE_INVENTORY] = "UPDATE inventory SET seen_ms = ?2 WHERE id = ?1",
    [DROP_INVENTORY] = "DELETE FROM inventory WHERE id = ?",
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
	return 0;
}

int db_version(void)
{
	return DB_VERSION;
}

/* One transaction: a program that dies in it leaves the file as it was. */
static int migrate(struct db *db, struct err *e)
{
	char text[32];

	int r = query_text(db, "PRAGMA user_version", text, sizeof(text), e);
	if (r < 0)
		return r;
	int version = atoi(text);
	if (version > DB_VERSION)
		return err_set(e, ENOTSUP,
		    "the state file was written by a newer version of this program (format %d, "
		    "known is %d): run that version, or move the file away",
		    version, DB_VERSION);
	if (version == DB_VERSION)
		return 0;
	r = exec(db, "BEGIN IMMEDIATE", "set up", e);
	for (int i = version < 0 ? 0 : version; r == 0 && i < DB_VERSION; i++)
		r = exec(db, migrations[i], "bring up to date", e);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", DB_VERSION);
	if (r == 0)
		r = exec(db, text, "set up", e);
	if (r == 0)
		r = exec(db, "COMMIT", "set up", e);
	if (r < 0)
		db_rollback(db);
	return r;
}

static int prepare(struct db *db, enum statement which, const char *text, struct err *e)
{
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT,
		&db->statement[which], NULL) != SQLITE_OK)
		return db_err(db, e, "use");
	return 0;
}

static const struct {
	enum statement which;
	const struct column_table *columns;
} puts_row[] = {
    {PUT_ROW, &machine_columns},
    {PUT_EVENT, &event_columns},
    {PUT_STRANGER, &stranger_columns},
    {PUT_ORDER, &order_columns},
    {PUT_INVENTORY, &inventory_columns},
};

static int prepare_all(struct db *db, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(puts_row) / sizeof(*puts_row); i++) {
		_cleanup_free_ char *text = columns_insert_text(puts_row[i].columns);
		r = prepare(db, puts_row[i].which, text, e);
	}
	for (int i = 0; r == 0 && i < STATEMENTS; i++)
		if (statement_text[i])
			r = prepare(db, (enum statement)i, statement_text[i], e);
	return r;
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
	r = exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
	    "set up", e);
	if (r < 0)
		return r;
	r = migrate(db, e);
	if (r == 0)
		r = prepare_all(db, e);
	if (r < 0)
		return r;
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
	columns_bind(&machine_columns, db->statement[PUT_ROW], row);
	return run(db, PUT_ROW, "write to", e);
}

int db_put_event(struct db *db, const struct event *event, struct err *e)
{
	columns_bind(&event_columns, db->statement[PUT_EVENT], event);
	return run(db, PUT_EVENT, "write to", e);
}

int db_put_stranger(struct db *db, const struct stranger *stranger, struct err *e)
{
	columns_bind(&stranger_columns, db->statement[PUT_STRANGER], stranger);
	return run(db, PUT_STRANGER, "write to", e);
}

int db_drop_stranger(struct db *db, unsigned slot, struct err *e)
{
	sqlite3_bind_int64(db->statement[DROP_STRANGER], 1, slot);
	return run(db, DROP_STRANGER, "write to", e);
}

static int run_by_id(struct db *db, enum statement which, int64_t id, struct err *e)
{
	sqlite3_bind_int64(db->statement[which], 1, id);
	return run(db, which, "write to", e);
}

int db_put_order(struct db *db, const struct order *order, struct err *e)
{
	columns_bind(&order_columns, db->statement[PUT_ORDER], order);
	return run(db, PUT_ORDER, "write to", e);
}

int db_drop_order(struct db *db, int64_t id, struct err *e)
{
	return run_by_id(db, DROP_ORDER, id, e);
}

int db_put_inventory(
    struct db *db, const struct inventory_row *row, const char *text, struct err *e)
{
	columns_bind(&inventory_columns, db->statement[PUT_INVENTORY], row);
	int r = run(db, PUT_INVENTORY, "write to", e);
	if (r < 0)
		return r;
	bind_required(db->statement[TEXT_OF_INVENTORY], 2, text);
	return run_by_id(db, TEXT_OF_INVENTORY, row->id, e);
}

int db_see_inventory(struct db *db, int64_t id, int64_t seen_ms, struct err *e)
{
	sqlite3_bind_int64(db->statement[SEE_INVENTORY], 2, seen_ms);
	return run_by_id(db, SEE_INVENTORY, id, e);
}

int db_drop_inventory(struct db *db, int64_t id, struct err *e)
{
	return run_by_id(db, DROP_INVENTORY, id, e);
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
	sqlite3_bind_int64(db->statement[PUT_PROBE], 1, wall_ms());
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

int db_load(
    struct db *db, void (*row)(void *ctx, const struct machine_row *row), void *ctx, struct err *e)
{
	_cleanup_free_ char *sql = columns_select_text(&machine_columns);
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code;

	if (!sql)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct machine_row one = {.eta_s = -1};

		if (columns_read(&machine_columns, s, &one) < 0)
			log_warn("a row of the state file makes no sense and is skipped mac=%s",
			    column(s, 0));
		else
			row(ctx, &one);
	}
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
}

/* Every row of a table in that order; those that make no sense are left out. `row` has room for
 * one. */
static int load_all(struct db *db, const struct column_table *columns, const char *order, void *row,
    size_t size, void (*one)(void *ctx, const void *row), void *ctx, struct err *e)
{
	_cleanup_free_ char *select = columns_select_text(columns);
	_cleanup_free_ char *sql = NULL;
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code;

	if (!select || asprintf(&sql, "%s ORDER BY %s", select, order) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		memset(row, 0, size);
		if (columns_read(columns, s, row) == 0)
			one(ctx, row);
	}
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
}

struct typed {
	void (*stranger)(void *ctx, const struct stranger *stranger);
	void (*order)(void *ctx, const struct order *order);
	void (*inventory)(void *ctx, const struct inventory_row *row);
	void *ctx;
};

static void one_stranger(void *ctx, const void *row)
{
	const struct typed *to = ctx;
	to->stranger(to->ctx, row);
}

static void one_order(void *ctx, const void *row)
{
	const struct typed *to = ctx;
	struct order *order = (struct order *)row;

	to->order(to->ctx, order);
	order_clear(order);
}

static void one_inventory(void *ctx, const void *row)
{
	const struct typed *to = ctx;
	to->inventory(to->ctx, row);
}

int db_load_strangers(struct db *db, void (*one)(void *ctx, const struct stranger *stranger),
    void *ctx, struct err *e)
{
	struct typed to = {.stranger = one, .ctx = ctx};
	struct stranger row;

	return load_all(
	    db, &stranger_columns, "last_seen_ms", &row, sizeof(row), one_stranger, &to, e);
}

int db_load_orders(
    struct db *db, void (*one)(void *ctx, const struct order *order), void *ctx, struct err *e)
{
	struct typed to = {.order = one, .ctx = ctx};
	struct order row;

	return load_all(db, &order_columns, "id", &row, sizeof(row), one_order, &to, e);
}

int db_load_inventories(struct db *db, void (*one)(void *ctx, const struct inventory_row *row),
    void *ctx, struct err *e)
{
	struct typed to = {.inventory = one, .ctx = ctx};
	struct inventory_row row;

	return load_all(db, &inventory_columns, "id", &row, sizeof(row), one_inventory, &to, e);
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

/* Bound: 1 after, 2 vm, 3 limit. Ids grow, so that "after" is a range of the table's own key. */
static const char first_events[] = "%s WHERE id > ?1 AND (?2 = '' OR vm = ?2) ORDER BY id LIMIT ?3";
static const char newest_events[] = "SELECT * FROM (%s WHERE id > ?1 AND (?2 = '' OR vm = ?2)"
				    " ORDER BY id DESC LIMIT ?3) ORDER BY id";

int db_read_events(struct db *db, const struct db_event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e)
{
	_cleanup_free_ char *select = columns_select_text(&event_columns);
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	_cleanup_free_ char *sql = NULL;
	int code;

	if (!select || asprintf(&sql, query->newest ? newest_events : first_events, select) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	sqlite3_bind_int64(s, 1, query->newest ? 0 : (sqlite3_int64)query->after);
	bind_required(s, 2, query->vm);
	sqlite3_bind_int64(s, 3, query->limit);
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct event one = {0};

		if (columns_read(&event_columns, s, &one) == 0)
			event(ctx, &one);
	}
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
}

/* The first column of the only row; NULL when there is none. */
static int read_text(struct db *db, sqlite3_stmt *s, char **out, struct err *e)
{
	int code = sqlite3_step(s);

	*out = NULL;
	if (code == SQLITE_DONE)
		return 0;
	if (code != SQLITE_ROW)
		return db_err(db, e, "read");
	*out = strdup(column(s, 0));
	return *out ? 0 : err_set(e, ENOMEM, "out of memory");
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
	return read_text(db, s, out, e);
}

int db_read_inventory(struct db *db, int64_t id, char **out, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;

	*out = NULL;
	if (sqlite3_prepare_v2(
		db->handle, "SELECT text FROM inventory WHERE id = ?", -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	sqlite3_bind_int64(s, 1, id);
	return read_text(db, s, out, e);
}
