/* The part of db.h that reads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/db.h"
#include "boot_handler/state/db_columns.h"
#include "boot_handler/state/db_inside.h"
#include "boot_handler/state/hook.h"
#include "boot_handler/state/inventory.h"
#include "boot_handler/state/order.h"
#include "boot_handler/state/stranger.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

static void cleanup_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

int db_query_text(struct db *db, const char *sql, char *out, size_t size, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		return db_err(db, e, "read");
	const char *text = (const char *)sqlite3_column_text(s, 0);
	snprintf(out, size, "%s", text ? text : "");
	return 0;
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
	void (*hook)(void *ctx, const struct hook *row);
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

static void one_hook(void *ctx, const void *row)
{
	const struct typed *to = ctx;
	to->hook(to->ctx, row);
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

int db_load_hooks(
    struct db *db, void (*one)(void *ctx, const struct hook *hook), void *ctx, struct err *e)
{
	struct typed to = {.hook = one, .ctx = ctx};
	struct hook row;

	int r = load_all(db, &hook_columns, "id", &row, sizeof(row), one_hook, &to, e);
	explicit_bzero(&row, sizeof(row));
	return r;
}

int db_last_event(struct db *db, uint64_t *id, struct err *e)
{
	char text[32];
	int r = db_query_text(db, "SELECT max(id) FROM event", text, sizeof(text), e);

	if (r < 0)
		return r;
	*id = strtoull(text, NULL, 10);
	return 0;
}

int db_read_events(struct db *db, const struct event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e)
{
	_cleanup_free_ char *select = columns_select_text(&event_columns);
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	_cleanup_free_ char *sql = select ? event_query_sql(query, select) : NULL;
	int code;

	if (!sql)
		return err_set(e, ENOMEM, "out of memory");
	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	event_query_bind(query, s);
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
	db_bind_text(s, 1, mac_format(mac, mac_text));
	return read_text(db, s, out, e);
}

int db_read_kept(struct db *db, const struct mac *mac, const char *what, char **out, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	char mac_text[MAC_TEXT_SIZE];

	*out = NULL;
	if (sqlite3_prepare_v2(db->handle, "SELECT text FROM kept WHERE mac = ? AND what = ?", -1,
		&s, NULL) != SQLITE_OK)
		return db_err(db, e, "read");
	db_bind_text(s, 1, mac_format(mac, mac_text));
	db_bind_text(s, 2, what);
	return read_text(db, s, out, e);
}

int db_read_each_kept(struct db *db, const char *what,
    void (*each)(void *ctx, const char *mac, const char *text), void *ctx, struct err *e)
{
	_cleanup_(cleanup_stmt) sqlite3_stmt *s = NULL;
	int code = sqlite3_prepare_v2(
	    db->handle, "SELECT mac, text FROM kept WHERE what = ?", -1, &s, NULL);

	if (code == SQLITE_OK)
		db_bind_text(s, 1, what);
	while (code == SQLITE_OK && (code = sqlite3_step(s)) == SQLITE_ROW) {
		each(ctx, column(s, 0), column(s, 1));
		code = SQLITE_OK;
	}
	return code == SQLITE_DONE ? 0 : db_err(db, e, "read");
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
