/* State files of each version since the first: what they had is there, also where this program was
 * killed while it brought one up to date. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/state/db.h"
#include "boot_handler/state/state.h"
#include "lib/base/log.h"
#include "lib/base/test_file.h"

#define OLD "boot_handler/testdata/state/%d.sql"

static char dir[] = "/tmp/test_migration.XXXXXX", file[64];
static const struct mac mac = {{0x52, 0x54, 0, 0, 0, 0x11}};

static struct state *open_state(void)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	if (state_open(file, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

/* The state file is one as that version left it: web1 is ready, its third attempt; false: there is
 * no such version. */
static bool make_old(int version)
{
	static const char *const parts[] = {"", "-wal", "-shm", "-journal", ".lock"};
	char path[80], sql[8192];
	sqlite3 *db;

	snprintf(path, sizeof(path), OLD, version);
	FILE *in = fopen(path, "r");
	if (!in)
		return false;
	size_t n = fread(sql, 1, sizeof(sql) - 1, in);
	sql[n] = '\0';
	fclose(in);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s%s", file, parts[i]);
		unlink(path);
	}
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	return true;
}

/* ---- what they had --------------------------------------------------------------------------- */

static void has_machine(struct state *s)
{
	struct machine_row row;

	assert_true(state_row(s, &mac, &row));
	assert_int_equal(row.state, MACHINE_READY);
	assert_int_equal(row.attempt, 3);
	assert_string_equal(row.host_key[0], "ssh-ed25519 AAAA");
}

static void note(void *ctx, const struct event *event)
{
	struct event *found = ctx;

	assert_int_equal(found->id, 0);
	*found = *event;
}

static void has_event(struct state *s, int version)
{
	struct event_query all = {.limit = 10};
	struct event event = {.id = 0};
	struct err e = ERR_INIT;

	assert_int_equal(state_events(s, &all, note, &event, &e), 0);
	assert_int_equal(event.id, 41);
	assert_int_equal(event.at_ms, 1700000000000);
	assert_true(mac_equal(&event.mac, &mac));
	assert_string_equal(event.vm, "web1");
	assert_int_equal(event.kind, EVENT_STATE);
	assert_string_equal(event.text, "ready");
	assert_int_equal(event.severity, EVENT_INFO);
	assert_false(event.stranger);
	assert_string_equal(event.source, version >= 4 ? "192.168.100.11" : "");
	assert_string_equal(event.data, version >= 8 ? "{\"attempt\":3}" : "");
}

static void has_log(struct state *s)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_int_equal(state_log(s, &mac, &text, &e), 0);
	assert_string_equal(text, "a line");
	free(text);
}

static void has_stranger(struct state *s, int version)
{
	struct err e = ERR_INIT;
	struct stranger one;

	int r = strangers_find(state_strangers(s), "SN-77", &one, &e);
	assert_int_equal(r, version >= 9 ? 0 : -ENOENT);
	if (r < 0)
		return;
	assert_int_equal(one.slot, 7);
	assert_string_equal(one.shown.product, "Box");
	assert_int_equal(one.asked, 12);
	assert_true(one.ignored);
	assert_string_equal(one.chosen, version >= 11 ? "debian-installer-13" : "");
	assert_int_equal(one.disk_bytes, version >= 12 ? 500107862016 : 0);
}

static void has_order(struct state *s, int version)
{
	struct order_cards cards = {{mac}, 1};
	struct order order;

	assert_int_equal(orders_of(state_orders(s), &cards, &order, 1), version >= 12);
	if (version < 12)
		return;
	assert_int_equal(order.list, version == 12 ? 3 : 2);
	assert_int_equal(order.timeout_s, version == 12 ? 300 : 77);
	assert_int_equal(json_object_size(order.args), version >= 13);
	order_clear(&order);
}

static void has_hook(struct state *s, int version)
{
	struct err e = ERR_INIT;
	struct hook hook;

	assert_int_equal(hooks_find(state_hooks(s), "ci", &hook, &e), version >= 15 ? 0 : -ENOENT);
	if (version < 15)
		return;
	assert_string_equal(hook.url, "https://ci.example.org/vmlab");
	assert_string_equal(hook.secret, "0123456789abcdef");
	assert_int_equal(hook.cursor, 40);
	assert_int_equal(hook.missed, 7);
}

static void has_texts(struct state *s, int version)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_int_equal(state_inventory(s, 5, &text, &e), 0);
	assert_int_equal(text != NULL, version >= 12);
	free(text);
	assert_int_equal(state_curve(s, &mac, &text, &e), 0);
	assert_int_equal(text != NULL, version >= 16);
	free(text);
}

static void has_all(struct state *s, int version)
{
	has_machine(s);
	has_event(s, version);
	has_log(s);
	has_stranger(s, version);
	has_order(s, version);
	has_hook(s, version);
	has_texts(s, version);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void old_versions(void **state)
{
	struct err e = ERR_INIT;
	int found = 0;

	(void)state;
	for (int version = 1; make_old(version); version++, found++) {
		struct state *s = open_state();
		has_all(s, version);
		state_close(s);
		s = open_state();
		has_all(s, version);
		assert_int_equal(state_booted(s, &mac, "web1",
				     (struct boot_choice){&boot_mode_local, BOOT_GOES}),
		    3);
		assert_int_equal(state_save(s, &e), 0);
		state_close(s);
		s = open_state();
		has_machine(s);
		state_close(s);
	}
	assert_int_equal(found, db_version());
}

/* The system's files, where the write with that number kills who does it. */
static sqlite3_vfs fatal, *usual;
static int writes_left;
static struct {
	const sqlite3_io_methods *usual;
	sqlite3_io_methods fatal;
} methods[2]; /* of files with locks, and without: both write alike */

static int fatal_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	if (writes_left-- == 0)
		raise(SIGKILL);
	return methods[0].usual->xWrite(f, bytes, n, at);
}

static int fatal_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	int code = usual->xOpen(usual, name, f, flags, out);

	(void)vfs;
	if (code != SQLITE_OK)
		return code;
	size_t i = methods[0].usual && methods[0].usual != f->pMethods;
	methods[i].usual = f->pMethods;
	methods[i].fatal = *f->pMethods;
	methods[i].fatal.xWrite = fatal_write;
	f->pMethods = &methods[i].fatal;
	return code;
}

/* In a child, which is killed at its `n`th write; false: it has less. */
static bool migrate_until(int n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct db *db = NULL;
		usual = sqlite3_vfs_find(NULL);
		fatal = *usual;
		fatal.zName = "fatal";
		fatal.xOpen = fatal_open;
		writes_left = n;
		bool good =
		    sqlite3_vfs_register(&fatal, 1) == SQLITE_OK && db_open(file, &db, &e) == 0;
		_exit(!good);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* Whichever write it was, the next one begins with the file as it was, or as it is to be. */
static void killed_on_the_way(void **state)
{
	static const int versions[] = {1, 8, 15};

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		int n = 0;
		for (bool killed = true; killed; n++) {
			assert_true(make_old(versions[i]));
			killed = migrate_until(n);
			struct state *s = open_state();
			has_all(s, versions[i]);
			state_close(s);
		}
		print_message("version %d: killed at each of %d writes\n", versions[i], n - 1);
		assert_true(n > 5);
	}
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(old_versions),
	    cmocka_unit_test(killed_on_the_way),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
