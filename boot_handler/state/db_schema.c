/* The part of db.h that is about the file's format: its versions, and from one to the next. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot_handler/state/db.h"
#include "boot_handler/state/db_inside.h"

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
    "ALTER TABLE event ADD COLUMN severity INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE event ADD COLUMN stranger INTEGER NOT NULL DEFAULT 0;"
    "UPDATE event SET severity = 2 WHERE kind = 'state' AND text = 'failed';"
    "UPDATE event SET severity = 1 WHERE kind IN ('refused', 'card')"
    " OR (kind = 'ipxe' AND text IN ('no-image', 'failed'));"
    "UPDATE event SET stranger = 1 WHERE vm = '' OR instr(vm, ':') > 0;"
    "CREATE INDEX event_mac ON event (mac, stranger);",
    "ALTER TABLE machine ADD COLUMN began_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE machine ADD COLUMN phase_ms INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE hook ("
    " id INTEGER PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,"
    " filter TEXT NOT NULL, created_ms INTEGER NOT NULL, cursor INTEGER NOT NULL,"
    " delivered INTEGER NOT NULL, delivered_ms INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " failed_ms INTEGER NOT NULL, status INTEGER NOT NULL, error TEXT NOT NULL,"
    " missed INTEGER NOT NULL, ended INTEGER NOT NULL);",
    "CREATE TABLE kept (mac TEXT NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL,"
    " PRIMARY KEY (mac, what)) WITHOUT ROWID;",
};

#define DB_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

int db_version(void)
{
	return DB_VERSION;
}

int db_migrate(struct db *db, struct err *e)
{
	char text[32];

	int r = db_query_text(db, "PRAGMA user_version", text, sizeof(text), e);
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
	r = db_exec(db, "BEGIN IMMEDIATE", "set up", e);
	for (int i = version < 0 ? 0 : version; r == 0 && i < DB_VERSION; i++)
		r = db_exec(db, migrations[i], "bring up to date", e);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", DB_VERSION);
	if (r == 0)
		r = db_exec(db, text, "set up", e);
	if (r == 0)
		r = db_exec(db, "COMMIT", "set up", e);
	if (r < 0)
		db_rollback(db);
	return r;
}
