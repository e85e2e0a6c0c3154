/* db_columns.h - inside of db.h: which member of a row is which column of the state file.
 *
 * The tables here are the only list of columns: the statements that write and read rows are made
 * from them. A new column is a row here and a line in the migrations of db_schema.c.
 */
#ifndef BOOT_HANDLER_STATE_DB_COLUMNS_H
#define BOOT_HANDLER_STATE_DB_COLUMNS_H

#include <sqlite3.h>
#include <stddef.h>

#include "lib/base/err.h"

struct column;

struct column_table {
	const char *name; /* of the SQL table */
	const struct column *columns;
	size_t count;
};

extern const struct column_table machine_columns;   /* of struct machine_row */
extern const struct column_table event_columns;     /* of struct event */
extern const struct column_table stranger_columns;  /* of struct stranger */
extern const struct column_table order_columns;     /* of struct order */
extern const struct column_table inventory_columns; /* of struct inventory_row */
extern const struct column_table hook_columns;      /* of struct hook */

/* "INSERT OR REPLACE INTO machine (mac,...) VALUES (?,...)"; the caller frees it, NULL without
 * memory. */
char *columns_insert_text(const struct column_table *table);
/* "SELECT mac,... FROM machine"; likewise. */
char *columns_select_text(const struct column_table *table);

/* Binds every column of `row` to the statement of columns_insert_text(). Text is borrowed until the
 * statement is reset. */
void columns_bind(const struct column_table *table, sqlite3_stmt *s, const void *row);
/* Fills `row`, zeroed before, from a result of columns_select_text(). -EINVAL when a column that
 * has to make sense (MAC address, state, kind) does not. JSON stands behind those in its table and
 * is a new reference. */
must_check int columns_read(const struct column_table *table, sqlite3_stmt *s, void *row);

#endif
