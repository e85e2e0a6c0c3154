/* _profiles/ in the watched folder: with and without inotify, broken, missing, remembered. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/test_file.h"
#include "lib/store/store.h"

struct lab {
	char dir[64];
	struct vm_store *store;
	const struct vm_snapshot *snap;
	bool no_inotify;
};

static void put_vm(const struct lab *lab, const char *name, int mac, const char *more)
{
	char file[80], text[400];

	snprintf(file, sizeof(file), "%s.json", name);
	snprintf(text, sizeof(text), "{\"name\":\"%s\",\n \"mac\":\"52:54:00:00:00:%02x\"%s}", name,
	    mac, more);
	write_in(lab->dir, file, text);
}

static void lab_in(struct lab *lab, const char *where, bool no_inotify)
{
	*lab = (struct lab){.no_inotify = no_inotify};
	snprintf(lab->dir, sizeof(lab->dir), "%s/test_profiles.XXXXXX", where);
	assert_non_null(mkdtemp(lab->dir));
	assert_int_equal(mkdir(file_in(lab->dir, "_profiles"), 0755), 0);
}

static void take(struct lab *lab)
{
	vm_snapshot_unref(lab->snap);
	lab->snap = vm_store_snapshot(lab->store);
}

static void open_lab(struct lab *lab, const char *holders)
{
	struct vm_store_options o = {.dir = lab->dir,
	    .rescan_ms = lab->no_inotify ? 150 : 60000,
	    .no_inotify = lab->no_inotify,
	    .holders = holders};
	struct err e = ERR_INIT;

	if (vm_store_open(&o, &lab->store, &e) < 0)
		fail_msg("%s", e.msg);
	take(lab);
}

static void close_lab(struct lab *lab)
{
	vm_snapshot_unref(lab->snap);
	vm_store_close(lab->store);
	lab->snap = NULL;
	lab->store = NULL;
}

static void end_lab(struct lab *lab)
{
	char command[100];

	close_lab(lab);
	snprintf(command, sizeof(command), "rm -rf '%s'", lab->dir);
	assert_int_equal(system(command), 0);
}

/* Waits for the next snapshot. */
static void changed(struct lab *lab)
{
	struct err e = ERR_INIT;

	if (vm_store_wait(lab->store, 3000, &e) != 1)
		fail_msg("no change was noticed: %s", e.msg);
	take(lab);
}

static int cpus_of(const struct lab *lab, const char *name)
{
	const struct vm *vm = vm_snapshot_by_name(lab->snap, name);

	return vm ? (int)vm->cpus : -1;
}

static void expect_problem(
    const struct lab *lab, const char *file, const char *part, int line, int column, bool last_good)
{
	for (size_t i = 0; i < vm_snapshot_problem_count(lab->snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(lab->snap, i);
		if (strcmp(p->file, file) != 0)
			continue;
		if (!strstr(p->text, part))
			fail_msg("%s: \"%s\" does not say \"%s\"", file, p->text, part);
		assert_int_equal(p->where.line, line);
		assert_int_equal(p->where.column, column);
		assert_int_equal(p->serving_last_good, last_good);
		return;
	}
	fail_msg("%s has no problem", file);
}

static void no_problem(const struct lab *lab)
{
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* ---- one profile's life -----------------------------------------------------------------------*/

static void live(bool no_inotify)
{
	struct lab lab;

	lab_in(&lab, "/dev/shm", no_inotify);
	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":3}");
	put_vm(&lab, "a", 1, ",\"profile\":\"web\"");
	put_vm(&lab, "b", 2, "");
	open_lab(&lab, NULL);
	assert_int_equal(cpus_of(&lab, "a"), 3);
	assert_int_equal(cpus_of(&lab, "b"), 2);
	const struct vm *b = vm_snapshot_by_name(lab.snap, "b");

	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":4}");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 4);
	assert_ptr_equal(vm_snapshot_by_name(lab.snap, "b"), b); /* not read again */

	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":\n  0}");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 4);
	expect_problem(&lab, "_profiles/web.json", "\"cpus\"", 2, 3, true);
	put_vm(&lab, "a", 1, ",\"profile\":\"web\",\"memory\":\"2G\"");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 4); /* a changed definition stands on the last good */
	assert_int_equal(vm_snapshot_by_name(lab.snap, "a")->memory_bytes, UINT64_C(2) << 30);

	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":5}");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 5);
	no_problem(&lab);

	assert_int_equal(unlink(file_in(lab.dir, "_profiles/web.json")), 0);
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 5);
	expect_problem(&lab, "a.json", "\"web\" is no profile", 2, 38, true);

	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":6}");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 6);
	no_problem(&lab);
	end_lab(&lab);
}

static void changes_are_followed(void **state)
{
	(void)state;
	live(false);
}

static void changes_are_followed_without_events(void **state)
{
	(void)state;
	live(true);
}

/* The folder of profiles comes, goes, and is another one, with inotify alone. */
static void folder_of_profiles_comes_and_goes(void **state)
{
	struct lab lab;
	char old[200];

	(void)state;
	lab_in(&lab, "/dev/shm", false);
	assert_int_equal(rmdir(file_in(lab.dir, "_profiles")), 0);
	put_vm(&lab, "a", 1, ",\"profile\":\"web\"");
	open_lab(&lab, NULL);
	assert_int_equal(cpus_of(&lab, "a"), -1);
	expect_problem(&lab, "a.json", "there is no _profiles/web.json", 2, 38, false);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mkdir(file_in(lab.dir, "_profiles"), 0755), 0);
		struct err e = ERR_INIT;
		assert_true(vm_store_wait(lab.store, 100, &e) >= 0);
		write_in(lab.dir, "_profiles/web.json", i ? "{\"cpus\":8}" : "{\"cpus\":7}");
		changed(&lab);
		assert_int_equal(cpus_of(&lab, "a"), 7 + i);
		no_problem(&lab);
		snprintf(old, sizeof(old), "%s", file_in(lab.dir, "_profiles"));
		assert_int_equal(rename(old, file_in(lab.dir, i ? "_old2" : "_old1")), 0);
		changed(&lab);
		assert_int_equal(cpus_of(&lab, "a"), 7 + i);
		expect_problem(&lab, "a.json", "is no profile", 2, 38, true);
	}
	end_lab(&lab);
}

/* Definition and profile at once, in this order: no moment in which it is refused. */
static void definition_before_its_profile(void **state)
{
	struct lab lab;

	(void)state;
	lab_in(&lab, "/dev/shm", false);
	open_lab(&lab, NULL);
	put_vm(&lab, "a", 1, ",\"profile\":[\"web\",\"big\"]");
	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":3}");
	write_in(lab.dir, "_profiles/big.json", "{\"cpus\":9}");
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 9);
	no_problem(&lab);
	end_lab(&lab);
}

static void broken_from_the_start_holds_only_its_users_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_in(&lab, "/tmp", false);
	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":3");
	write_in(lab.dir, "_profiles/.web.json.swp", "x");
	write_in(lab.dir, "_profiles/a b.json", "{}");
	put_vm(&lab, "a", 1, ",\"profile\":\"web\"");
	put_vm(&lab, "b", 2, "");
	open_lab(&lab, NULL);
	assert_int_equal(cpus_of(&lab, "a"), -1);
	assert_int_equal(cpus_of(&lab, "b"), 2);
	expect_problem(&lab, "_profiles/web.json", "too early", 1, 10, false);
	expect_problem(&lab, "_profiles/a b.json", "rename the file", 0, 0, false);
	expect_problem(&lab, "a.json", "cannot be used: correct _profiles/web.json", 2, 38, false);
	assert_int_equal(vm_snapshot_problem_count(lab.snap), 3);
	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":3}");
	assert_int_equal(unlink(file_in(lab.dir, "_profiles/a b.json")), 0);
	changed(&lab);
	assert_int_equal(cpus_of(&lab, "a"), 3);
	no_problem(&lab);
	end_lab(&lab);
}

/* A store that opens while the file is broken goes on with what the one before had. */
static void last_good_profile_survives_a_restart(void **state)
{
	struct lab lab;

	(void)state;
	lab_in(&lab, "/tmp", false);
	write_in(lab.dir, "_profiles/web.json", "{\"cpus\":3,\"runcmd\":[\"a\\nb\"]}");
	write_in(lab.dir, "_profiles/gone.json", "{\"cpus\":4}");
	put_vm(&lab, "a", 1, ",\"profile\":\"web\"");
	put_vm(&lab, "b", 2, ",\"profile\":\"gone\"");
	open_lab(&lab, NULL);
	char *holders = vm_holders_text(lab.snap);
	close_lab(&lab);
	write_in(lab.dir, "_profiles/web.json", "{\"cpu\":3}");
	assert_int_equal(unlink(file_in(lab.dir, "_profiles/gone.json")), 0);
	open_lab(&lab, holders);
	assert_int_equal(cpus_of(&lab, "a"), 3);
	assert_int_equal(cpus_of(&lab, "b"), -1);
	expect_problem(&lab, "_profiles/web.json", "\"cpu\"", 1, 2, true);
	free(holders);
	end_lab(&lab);
}

/* ---- very many --------------------------------------------------------------------------------*/

/* A change of the profile reaches all of them; how long that takes is told, with what the same
 * takes for _defaults.json. VM_MANY=100000 says how many. */
static void many_share_a_profile(void **state)
{
	struct lab lab;
	long many = getenv("VM_MANY") ? atol(getenv("VM_MANY")) : 500;
	const char *shares = getenv("VM_ALONE") ? "" : ",\"profile\":\"web\"";
	char file[40], text[200];

	(void)state;
	lab_in(&lab, "/dev/shm", false);
	write_in(lab.dir, "_profiles/web.json",
	    "{\"cpus\":3,\"memory\":\"2G\",\"packages\":[\"nginx\"]}");
	for (long i = 0; i < many; i++) {
		snprintf(file, sizeof(file), "m%06ld.json", i);
		snprintf(text, sizeof(text),
		    "{\"name\":\"m%06ld\",\"mac\":\"52:54:00:%02x:%02x:%02x\"%s}", i,
		    (unsigned)(i >> 16), (unsigned)(i >> 8 & 255), (unsigned)(i & 255), shares);
		write_in(lab.dir, file, text);
	}
	int64_t start = monotonic_ms();
	open_lab(&lab, NULL);
	int64_t opened = monotonic_ms();
	assert_int_equal(vm_snapshot_count(lab.snap), many);
	assert_int_equal(cpus_of(&lab, "m000007"), *shares ? 3 : 2);
	write_in(lab.dir, "_profiles/web.json",
	    "{\"cpus\":5,\"memory\":\"2G\",\"packages\":[\"nginx\"]}");
	changed(&lab);
	print_message(
	    "%ld definitions%s: opened in %lld ms, followed a changed profile in %lld ms\n", many,
	    *shares ? " of one profile" : "", (long long)(opened - start),
	    (long long)(monotonic_ms() - opened));
	for (size_t i = 0; i < vm_snapshot_count(lab.snap) && *shares; i++)
		assert_int_equal(vm_snapshot_at(lab.snap, i)->cpus, 5);
	end_lab(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_are_followed),
	    cmocka_unit_test(changes_are_followed_without_events),
	    cmocka_unit_test(folder_of_profiles_comes_and_goes),
	    cmocka_unit_test(definition_before_its_profile),
	    cmocka_unit_test(broken_from_the_start_holds_only_its_users_back),
	    cmocka_unit_test(last_good_profile_survives_a_restart),
	    cmocka_unit_test(many_share_a_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
