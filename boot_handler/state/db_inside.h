/* db_inside.h - inside of db.h: what its files share. */
#ifndef BOOT_HANDLER_STATE_DB_INSIDE_H
#define BOOT_HANDLER_STATE_DB_INSIDE_H

#include <sqlite3.h>
#include <stddef.h>

#include "lib/base/err.h"

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
	PUT_HOOK,
	DROP_HOOK,
	PUT_LOG,
	PUT_KEPT,
	PUT_PROBE,
	BEGIN,
	COMMIT,
	STATEMENTS,
};

struct db {
	sqlite3 *handle;
	int lock; /* of who writes, -1: none */
	sqlite3_stmt *statement[STATEMENTS];
};

/* SQLite's error of that handle; -errno, e "cannot <doing> the state file: ...". */
int db_err(struct db *db, struct err *e, const char *doing);
must_check int db_exec(struct db *db, const char *sql, const char *doing, struct err *e);
/* First column of the first row. */
must_check int db_query_text(struct db *db, const char *sql, char *out, size_t size, struct err *e);
/* `text` is borrowed until the statement is reset. */
void db_bind_text(sqlite3_stmt *s, int i, const char *text);

/* Brings the file up to db_version(), in one transaction: a program that dies in it leaves the file
 * as it was. */
must_check int db_migrate(struct db *db, struct err *e);

#endif
