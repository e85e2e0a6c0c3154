/* db.h - the state file: SQLite in WAL mode, one row per machine, an event table that only grows
 * at its end and is pruned at its start. Plain reads and writes; who writes when is writer.h's.
 *
 * synchronous=FULL: a commit survives a power cut. Losing an "installed" would mean installing
 * over a disk in use.
 */
#ifndef BOOT_HANDLER_STATE_DB_H
#define BOOT_HANDLER_STATE_DB_H

#include <stddef.h>

#include "boot_handler/state/event_prune.h"
#include "boot_handler/state/event_query.h"
#include "lib/machine/event.h"
#include "lib/base/err.h"

#define DB_EVENTS_RETENTION                                                                        \
	((struct event_retention){.age_ms = (int64_t)90 * 24 * 3600 * 1000,                        \
	    .number = {.total = 100000, .of_one = 10000},                                          \
	    .bytes = {.total = 32 << 20, .of_one = 4 << 20}})

struct db;
struct stranger;
struct order;
struct inventory_row;
struct hook;

/* Opens or creates the file. One that is no readable database is moved aside to
 * <path>.corrupt-<seconds> with an error in the log, and a fresh one is made. Fails on a file of a
 * newer program version, one that cannot be created, and -EBUSY on one that somebody has open so
 * already: <path>.lock is locked with it, flock(2), until db_close() or the program's end. */
must_check int db_open(const char *path, struct db **out, struct err *e);
/* A second, read-only connection to the same file. */
must_check int db_open_reader(const char *path, struct db **out, struct err *e);
/* The format of files that this program writes; older ones are brought up to it by db_open(). */
int db_version(void);
void db_close(struct db *db); /* NULL is allowed */

/* Calls row() for every machine; rows that make no sense are logged and skipped. */
must_check int db_load(
    struct db *db, void (*row)(void *ctx, const struct machine_row *row), void *ctx, struct err *e);
must_check int db_last_event(struct db *db, uint64_t *id, struct err *e);

/* Calls one() for every stranger, the longest unseen first. */
must_check int db_load_strangers(struct db *db,
    void (*one)(void *ctx, const struct stranger *stranger), void *ctx, struct err *e);

/* By their ids. */
must_check int db_load_orders(
    struct db *db, void (*one)(void *ctx, const struct order *order), void *ctx, struct err *e);
must_check int db_load_inventories(struct db *db,
    void (*one)(void *ctx, const struct inventory_row *row), void *ctx, struct err *e);
must_check int db_load_hooks(
    struct db *db, void (*one)(void *ctx, const struct hook *hook), void *ctx, struct err *e);
/* *out is the caller's to free; NULL when it is not there. */
must_check int db_read_inventory(struct db *db, int64_t id, char **out, struct err *e);

/* One transaction: begin, any number of puts, commit. After a failed put or commit: rollback. */
must_check int db_begin(struct db *db, struct err *e);
must_check int db_put_row(struct db *db, const struct machine_row *row, struct err *e);
must_check int db_put_event(struct db *db, const struct event *event, struct err *e);
/* The last lines of an installer's log; replaces what was there. */
must_check int db_put_log(struct db *db, const struct mac *mac, const char *text, struct err *e);
/* Another text of a machine, by what it is; likewise. */
must_check int db_put_kept(
    struct db *db, const struct mac *mac, const char *what, const char *text, struct err *e);
must_check int db_put_stranger(struct db *db, const struct stranger *stranger, struct err *e);
must_check int db_put_order(struct db *db, const struct order *order, struct err *e);
must_check int db_drop_order(struct db *db, int64_t id, struct err *e);
must_check int db_put_inventory(
    struct db *db, const struct inventory_row *row, const char *text, struct err *e);
must_check int db_see_inventory(struct db *db, int64_t id, int64_t seen_ms, struct err *e);
must_check int db_drop_inventory(struct db *db, int64_t id, struct err *e);
must_check int db_put_hook(struct db *db, const struct hook *hook, struct err *e);
must_check int db_drop_hook(struct db *db, int64_t id, struct err *e);
/* Nobody has that place any more; no error where nobody had. */
must_check int db_drop_stranger(struct db *db, unsigned slot, struct err *e);
/* Writes something that changes nothing, so that the commit tells whether writing works. */
must_check int db_put_probe(struct db *db, struct err *e);
/* Removes what is not to be kept any longer. */
must_check int db_prune(
    struct db *db, const struct event_retention *rule, int64_t now_ms, struct err *e);
must_check int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);

must_check int db_read_events(struct db *db, const struct event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e);
/* *out is the caller's to free; NULL when there is no log. */
must_check int db_read_log(struct db *db, const struct mac *mac, char **out, struct err *e);
must_check int db_read_each_kept(struct db *db, const char *what,
    void (*each)(void *ctx, const char *mac, const char *text), void *ctx, struct err *e);
must_check int db_read_kept(
    struct db *db, const struct mac *mac, const char *what, char **out, struct err *e);

#endif
