/* What profiles make of strangers, in a folder of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/state/declare.h"
#include "lib/base/atomic_file.h"
#include "lib/base/log.h"
#include "lib/base/test_file.h"

#define UUID "0f0e0d0c-0b0a-4908-8706-050403020100"
#define FLOOD 3000

struct lab {
	char dir[40];
	struct vm_store *store;
	struct state *state;
	struct declarer declarer;
};

static unsigned lines;
static char last_line[1500];

static void note_line(enum log_level level, const char *line)
{
	if (level == LOG_LEVEL_WARN) {
		lines++;
		snprintf(last_line, sizeof(last_line), "%s", line);
	}
}

static void put(struct lab *l, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	write_in(l->dir, name, text);
	while (l->store && vm_store_wait(l->store, 500, &e) > 0)
		;
}

static char *get(struct lab *l, const char *name)
{
	struct err e = ERR_INIT;
	char *text;
	size_t len;

	return file_read(file_in(l->dir, name), 10000, &text, &len, &e) < 0 ? NULL : text;
}

static int begin(void **state)
{
	static struct lab lab;
	struct err e = ERR_INIT;

	lab = (struct lab){.dir = "/tmp/test_declare.XXXXXX"};
	lines = 0;
	assert_non_null(mkdtemp(lab.dir));
	assert_int_equal(mkdir(file_in(lab.dir, "_profiles"), 0755), 0);
	put(&lab, "_profiles/rack.json",
	    "{\"match\":{\"product\":\"R6*\"},\"name\":\"node-{serial}\",\"mode\":\"local\"}");
	put(&lab, "_profiles/arms.json", "{\"match\":{\"arch\":\"arm64\"},\"name\":\"arm-{mac}\"}");
	put(&lab, "_profiles/lent.json", "{\"match\":{\"manufacturer\":\"Lent\"}}");
	put(&lab, "_profiles/plain.json", "{\"mode\":\"local\"}");
	put(&lab, "taken.json", "{\"name\":\"node-taken\",\"mac\":\"52:54:00:00:00:11\"}");
	struct vm_store_options options = {.dir = lab.dir};
	assert_int_equal(vm_store_open(&options, &lab.store, &e), 0);
	assert_int_equal(state_open(":memory:", &lab.state, &e), 0);
	lab.declarer = (struct declarer){.state = lab.state, .dir = lab.dir};
	*state = &lab;
	return 0;
}

static int end(void **state)
{
	struct lab *l = *state;
	char command[100];

	json_decref(l->declarer.profiles);
	state_close(l->state);
	vm_store_close(l->store);
	chmod(l->dir, 0755);
	snprintf(command, sizeof(command), "rm -rf '%s'", l->dir);
	return system(command);
}

static void see(struct lab *l, unsigned mac, struct shown shown)
{
	struct mac card = mac_from_number(UINT64_C(0x020000000000) + mac);
	struct stranger_sight sight = {
	    .mac = mac ? &card : NULL, .shown = &shown, .loader = "ipxe", .now_ms = 1000};

	strangers_seen(state_strangers(l->state), &sight);
}

static int round_of(struct lab *l)
{
	const struct vm_snapshot *snap = vm_store_snapshot(l->store);
	int again = declarer_round(&l->declarer, snap);

	vm_snapshot_unref(snap);
	return again;
}

/* By its serial number; what stands in the way of it. */
static struct declaration judged(struct lab *l, const char *serial)
{
	const struct vm_snapshot *snap = vm_store_snapshot(l->store);
	struct declaration d = {.profile = NULL};
	struct stranger s;

	for (unsigned slot = 0; slot < STRANGERS_MAX; slot++)
		if (strangers_at(state_strangers(l->state), slot, &s) &&
		    strcmp(s.shown.serial, serial) == 0)
			declare_judge(snap, &s, &d);
	declarer_excuse(&l->declarer, &d);
	vm_snapshot_unref(snap);
	return d;
}

static void the_one_that_fits_declares_it(void **state)
{
	struct lab *l = *state;
	struct err e = ERR_INIT;

	see(l, 1,
	    (struct shown){.uuid = UUID, .serial = "CZ 12", .product = "R640", .arch = "amd64"});
	see(l, 2, (struct shown){.serial = "OTHER", .product = "Box"});
	see(l, 3, (struct shown){.serial = "LENT", .manufacturer = "Lent"});
	assert_string_equal(judged(l, "CZ 12").name, "node-cz-12");
	assert_int_equal(round_of(l), -1);
	char *text = get(l, "node-cz-12.json");
	assert_string_equal(text,
	    "{\n  \"name\": \"node-cz-12\",\n  \"mac\": \"02:00:00:00:00:01\",\n  \"uuid\": \"" UUID
	    "\",\n  \"serial\": \"CZ 12\",\n  \"arch\": \"amd64\",\n  \"profile\": \"rack\"\n}\n");
	free(text);
	assert_int_equal(vm_store_wait(l->store, 5000, &e), 1);
	const struct vm_snapshot *snap = vm_store_snapshot(l->store);
	assert_non_null(vm_snapshot_by_name(snap, "node-cz-12"));
	assert_int_equal(vm_snapshot_count(snap), 2);
	vm_snapshot_unref(snap);
	/* One that fits and gives no name is only told of. */
	assert_string_equal(judged(l, "LENT").profile, "lent");
	assert_string_equal(judged(l, "LENT").name, "");
	assert_null(judged(l, "OTHER").profile);
	assert_int_equal(lines, 0);
}

static void several_refuse_and_say_so_once(void **state)
{
	struct lab *l = *state;
	struct shown both = {.serial = "B-1", .product = "R640", .arch = "arm64"};

	see(l, 1, both);
	assert_int_equal(round_of(l), -1);
	see(l, 1, both);
	assert_int_equal(round_of(l), -1);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last_line, "mac=02:00:00:00:00:01 serial=B-1"));
	assert_non_null(strstr(judged(l, "B-1").problem, "it matches the profiles arms and rack"));
	assert_null(get(l, "node-b-1.json"));
	/* One of them is changed: those that wait are looked at again. */
	put(l, "_profiles/arms.json", "{\"match\":{\"arch\":\"arm64\",\"product\":\"Pi*\"}}");
	assert_int_equal(round_of(l), -1);
	char *text = get(l, "node-b-1.json");
	assert_non_null(text);
	free(text);
}

static void a_name_that_is_taken_is_said(void **state)
{
	struct lab *l = *state;
	struct stranger s;
	struct err e = ERR_INIT;

	see(l, 1, (struct shown){.serial = "TAKEN", .product = "R640"});
	see(l, 2, (struct shown){.product = "R640"});
	see(l, 3, (struct shown){.serial = "IGNORED", .product = "R640"});
	assert_int_equal(strangers_ignore(state_strangers(l->state), "IGNORED", true, &s, &e), 0);
	assert_int_equal(round_of(l), -1);
	assert_non_null(
	    strstr(judged(l, "TAKEN").problem, "node-taken, as another machine is called"));
	assert_non_null(strstr(judged(l, "").problem, "shows no serial"));
	assert_null(judged(l, "IGNORED").profile);
	assert_int_equal(lines, 2);
	/* A file that the lab does not use is not written over either. */
	put(l, "node-mine.json", "{");
	see(l, 4, (struct shown){.serial = "MINE", .product = "R640"});
	assert_int_equal(round_of(l), -1);
	char *text = get(l, "node-mine.json");
	assert_string_equal(text, "{");
	free(text);
	assert_non_null(strstr(last_line, "node-mine.json exists already"));
}

/* Two of one maker's serial number, with a UUID each: what both show tells neither. */
static void what_others_show_too_is_left_out(void **state)
{
	struct lab *l = *state;

	put(l, "_profiles/rack.json", "{\"match\":{\"product\":\"R6*\"},\"name\":\"node-{mac}\"}");
	see(l, 1, (struct shown){.uuid = UUID, .serial = "SAME", .product = "R640"});
	see(l, 2,
	    (struct shown){.uuid = "1f0e0d0c-0b0a-4908-8706-050403020100",
		.serial = "SAME",
		.product = "Box"});
	assert_int_equal(round_of(l), -1);
	char *text = get(l, "node-02-00-00-00-00-01.json");
	assert_non_null(text);
	assert_non_null(strstr(text, UUID));
	assert_null(strstr(text, "SAME"));
	free(text);
}

static void a_folder_that_cannot_be_written_is_said(void **state)
{
	struct lab *l = *state;

	l->declarer.dir = "/proc"; /* also root cannot make files there */
	see(l, 1, (struct shown){.serial = "RO", .product = "R640"});
	assert_int_equal(round_of(l), -1);
	assert_non_null(strstr(judged(l, "RO").problem,
	    "profile rack calls it node-ro, and the stack cannot write that into vms/"));
	assert_int_equal(lines, 1);
	l->declarer.dir = l->dir;
	see(l, 1, (struct shown){.serial = "RO", .product = "R640"});
	assert_int_equal(round_of(l), -1);
	assert_string_equal(judged(l, "RO").problem, "");
}

static void a_flood_makes_few_files(void **state)
{
	struct lab *l = *state;
	char serial[20];
	unsigned written = 0;
	struct shown shown = {.product = "R640"};

	for (unsigned mac = 1; mac <= FLOOD; mac++) {
		snprintf(shown.serial, sizeof(shown.serial), "F%u", mac);
		see(l, mac, shown);
	}
	assert_in_range(round_of(l), 1, 10000);
	for (unsigned mac = 1; mac <= FLOOD; mac++) {
		snprintf(serial, sizeof(serial), "node-f%u.json", mac);
		written += access(file_in(l->dir, serial), F_OK) == 0;
	}
	assert_int_equal(written, 500);
	assert_in_range(round_of(l), 1, 10000);
	assert_int_equal(l->declarer.count, 500);
}

static void without_match_nothing_is_done(void **state)
{
	struct lab *l = *state;

	put(l, "_profiles/rack.json", "{}");
	put(l, "_profiles/arms.json", "{}");
	put(l, "_profiles/lent.json", "{}");
	see(l, 1, (struct shown){.serial = "CZ12", .product = "R640"});
	assert_int_equal(round_of(l), -1);
	assert_null(judged(l, "CZ12").profile);
	assert_null(get(l, "node-cz12.json"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_one_that_fits_declares_it),
	    TEST(several_refuse_and_say_so_once),
	    TEST(a_name_that_is_taken_is_said),
	    TEST(what_others_show_too_is_left_out),
	    TEST(a_folder_that_cannot_be_written_is_said),
	    TEST(a_flood_makes_few_files),
	    TEST(without_match_nothing_is_done),
	};

	log_set_sink(note_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
