#include "boot_handler/state/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "boot_handler/state/db_columns.h"
#include "boot_handler/state/db_inside.h"
#include "boot_handler/state/hook.h"
#include "boot_handler/state/inventory.h"
#include "boot_handler/state/order.h"
#include "boot_handler/state/stranger.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Those that are missing are made from the columns. */
static const char *const statement_text[STATEMENTS] = {
    [DROP_STRANGER] = "DELETE FROM stranger WHERE slot = ?",
    [DROP_ORDER] = "DELETE FROM agent_order WHERE id = ?",
    [TEXT_OF_INVENTORY] = "UPDATE inventory SET text = ?2 WHERE id = ?1",
    [SEE_INVENTORY] = "UPDATE inventory SET seen_ms = ?2 WHERE id = ?1",
    [DROP_INVENTORY] = "DELETE FROM inventory WHERE id = ?",
    [DROP_HOOK] = "DELETE FROM hook WHERE id = ?",
    [PUT_LOG] = "INSERT OR REPLACE INTO log VALUES (?,?)",
    [PUT_KEPT] = "INSERT OR REPLACE INTO kept VALUES (?,?,?)",
    [PUT_PROBE] = "INSERT OR REPLACE INTO probe VALUES (1,?)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

/* SQLite's codes fold into a few errno values; the text tells the rest. */
int db_err(struct db *db, struct err *e, const char *doing)
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

int db_exec(struct db *db, const char *sql, const char *doing, struct err *e)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_err(db, e, doing);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statement[i]);
	sqlite3_close(db->handle);
	if (db->lock >= 0)
		close(db->lock);
	free(db);
}

static void cleanup_db(struct db **db)
{
	db_close(*db);
}

static int check_content(struct db *db, struct err *e)
{
	char text[200];

	int r = db_query_text(db, "PRAGMA quick_check(1)", text, sizeof(text), e);
	if (r < 0)
		return r;
	if (strcmp(text, "ok") != 0)
		return err_set(e, EUCLEAN, "the state file is damaged: %s", text);
	return 0;
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
    {PUT_HOOK, &hook_columns},
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

static struct db *db_new(struct err *e)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db)
		db->lock = -1;
	else
		err_set(e, ENOMEM, "out of memory");
	return db;
}

static int open_file(const char *path, struct db **out, struct err *e)
{
	_cleanup_(cleanup_db) struct db *db = db_new(e);
	int r;

	if (!db)
		return -ENOMEM;
	if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		return db_err(db, e, "open");
	sqlite3_busy_timeout(db->handle, 5000);
	r = check_content(db, e);
	if (r < 0)
		return r;
	r = db_exec(db,
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;", "set up",
	    e);
	if (r < 0)
		return r;
	r = db_migrate(db, e);
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

/* A file of its own: the state file may be moved aside, and to close a second descriptor of it
 * would end SQLite's own locks. The kernel lets go of it when the program has ended, however. */
static int lock_file(const char *path, int *out, struct err *e)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;

	*out = -1;
	if (strcmp(path, ":memory:") == 0)
		return 0;
	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "cannot open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		*out = steal_fd(&fd);
	else if (errno == EWOULDBLOCK)
		return err_set(e, EBUSY,
		    "another server uses this state file: end that one, or give this one a state of its own");
	else
		log_warn(
		    "%s cannot be locked (%s): see to it that no second server uses this state",
		    name, strerror(errno));
	return 0;
}

int db_open(const char *path, struct db **out, struct err *e)
{
	_cleanup_close_ int lock = -1;

	int r = lock_file(path, &lock, e);
	if (r == 0)
		r = open_file(path, out, e);
	if (r == -EUCLEAN) {
		log_error("%s file=%s", e ? e->msg : "damaged", path);
		r = move_aside(path, e);
		if (r == 0)
			r = open_file(path, out, e);
	}
	if (r < 0)
		return err_wrap(e, "%s", path);
	(*out)->lock = steal_fd(&lock);
	return 0;
}

int db_open_reader(const char *path, struct db **out, struct err *e)
{
	_cleanup_(cleanup_db) struct db *db = db_new(e);

	if (!db)
		return -ENOMEM;
	if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		return db_err(db, e, "open");
	sqlite3_busy_timeout(db->handle, 2000);
	*out = steal_ptr(db);
	return 0;
}

void db_bind_text(sqlite3_stmt *s, int i, const char *text)
{
	sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

/* ---- writes ------------------------------------------------------------------------------ */

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
	db_bind_text(db->statement[TEXT_OF_INVENTORY], 2, text);
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

int db_put_hook(struct db *db, const struct hook *hook, struct err *e)
{
	columns_bind(&hook_columns, db->statement[PUT_HOOK], hook);
	return run(db, PUT_HOOK, "write to", e);
}

int db_drop_hook(struct db *db, int64_t id, struct err *e)
{
	return run_by_id(db, DROP_HOOK, id, e);
}

int db_put_log(struct db *db, const struct mac *mac, const char *text, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_LOG];
	char mac_text[MAC_TEXT_SIZE];

	db_bind_text(s, 1, mac_format(mac, mac_text));
	db_bind_text(s, 2, text);
	return run(db, PUT_LOG, "write to", e);
}

int db_put_kept(
    struct db *db, const struct mac *mac, const char *what, const char *text, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_KEPT];
	char mac_text[MAC_TEXT_SIZE];

	db_bind_text(s, 1, mac_format(mac, mac_text));
	db_bind_text(s, 2, what);
	db_bind_text(s, 3, text);
	return run(db, PUT_KEPT, "write to", e);
}

int db_put_probe(struct db *db, struct err *e)
{
	sqlite3_bind_int64(db->statement[PUT_PROBE], 1, wall_ms());
	return run(db, PUT_PROBE, "write to", e);
}

int db_prune(struct db *db, const struct event_retention *rule, int64_t now_ms, struct err *e)
{
	return event_prune(db->handle, rule, now_ms) == SQLITE_OK ? 0 : db_err(db, e, "prune");
}
