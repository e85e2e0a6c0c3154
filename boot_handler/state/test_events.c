#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/db.h"
#include "boot_handler/state/db_inside.h"
#include "boot_handler/state/state.h"
#include "lib/base/test_file.h"

static char dir[] = "/tmp/test_events.XXXXXX";

static struct db *open_db(const char *name)
{
	struct err e = ERR_INIT;
	struct db *db = NULL;

	if (db_open(file_in(dir, name), &db, &e) < 0)
		fail_msg("%s", e.msg);
	return db;
}

static struct event make(uint64_t id, uint8_t machine, enum event_kind kind, const char *text)
{
	struct event event = {.id = id,
	    .at_ms = (int64_t)(1000 * id),
	    .mac = {{2, 0, 0, 0, 0, machine}},
	    .kind = kind};

	snprintf(event.vm, sizeof(event.vm), "vm%d", machine);
	snprintf(event.text, sizeof(event.text), "%s", text);
	event.severity = event_severity(event_info(kind), text);
	return event;
}

static void put(struct db *db, const struct event *event)
{
	struct err e = ERR_INIT;

	if (db_put_event(db, event, &e) < 0)
		fail_msg("%s", e.msg);
}

static void in_one(struct db *db, bool begin)
{
	struct err e = ERR_INIT;

	assert_int_equal(begin ? db_begin(db, &e) : db_commit(db, &e), 0);
}

/* ---- questions ------------------------------------------------------------------------------- */

struct ids {
	uint64_t id[200];
	size_t count;
};

static void note(void *ctx, const struct event *event)
{
	struct ids *ids = ctx;

	ids->id[ids->count++] = event->id;
}

#define KIND(k) (UINT64_C(1) << EVENT_##k)

/* The file and event_query_fits() answer alike. */
static void one_question_one_answer(void **state)
{
	static const struct event_query queries[] = {
	    {.limit = 100},
	    {.limit = 100, .vm = "vm1"},
	    {.limit = 100, .vm = "nobody"},
	    {.limit = 100, .mac = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}}, .macs = 2},
	    {.limit = 100, .kinds = KIND(DHCP) | KIND(STATE)},
	    {.limit = 100, .has_least = true, .least = EVENT_WARNING},
	    {.limit = 100, .has_least = true, .least = EVENT_INFO},
	    {.limit = 100, .has_least = true, .least = EVENT_DEBUG},
	    {.limit = 100, .since_ms = 5000, .until_ms = 9000},
	    {.limit = 100,
		.vm = "vm2",
		.kinds = KIND(STATE),
		.has_least = true,
		.least = EVENT_ERROR,
		.since_ms = 1,
		.until_ms = 1000000},
	};
	static const struct {
		enum event_kind kind;
		const char *text;
	} happen[] = {{EVENT_DHCP_DISCOVER, ""}, {EVENT_DHCP, "10.0.0.1"}, {EVENT_IPXE, "no-image"},
	    {EVENT_STATE, "failed"}, {EVENT_STATE, "ready"}};
	struct db *db = open_db("query.db");
	struct event events[15];
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 15; i++) {
		events[i] = make(i + 1, (uint8_t)(i % 3), happen[i % 5].kind, happen[i % 5].text);
		put(db, &events[i]);
	}
	for (size_t q = 0; q < sizeof(queries) / sizeof(*queries); q++) {
		struct ids asked = {0}, fit = {0};
		assert_int_equal(db_read_events(db, &queries[q], note, &asked, &e), 0);
		for (size_t i = 0; i < 15; i++)
			if (event_query_fits(&queries[q], &events[i]))
				note(&fit, &events[i]);
		if (asked.count != fit.count ||
		    memcmp(asked.id, fit.id, asked.count * sizeof(*asked.id)) != 0)
			fail_msg("query %zu: %zu of the file, %zu fit", q, asked.count, fit.count);
		assert_true(q == 2 ? fit.count == 0 : fit.count > 0);
		assert_true(q == 0 || q == 7 || fit.count < 15);
	}
	struct ids some = {0};
	struct event_query newest = {.newest = true, .limit = 2, .vm = "vm0"};
	assert_int_equal(db_read_events(db, &newest, note, &some, &e), 0);
	assert_int_equal(some.count, 2);
	assert_int_equal(some.id[0], 10);
	assert_int_equal(some.id[1], 13);
	struct event_query after = {.after = 10, .limit = 1};
	assert_int_equal(db_read_events(db, &after, note, &some, &e), 0);
	assert_int_equal(some.id[2], 11);
	assert_int_equal(some.count, 3);
	db_close(db);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static void levels(void **state)
{
	static const struct {
		uint64_t counts[4];
		unsigned n;
		struct event_bound bound;
		unsigned level;
	} cases[] = {
	    {{0}, 0, {100, 50}, 50},
	    {{10, 20, 30}, 3, {100, 50}, 50},         /* all fit */
	    {{10, 80, 5}, 3, {100, 50}, 50},          /* the quota alone */
	    {{1000, 10, 1000, 20}, 4, {100, 50}, 35}, /* who has the most gives */
	    {{1000, 1000, 1000, 1000}, 4, {100, 50}, 25},
	    {{7, 7}, 2, {0, 50}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t counts[4], level, sum = 0;

		memcpy(counts, cases[i].counts, sizeof(counts));
		level = event_prune_level(counts, cases[i].n, &cases[i].bound);
		assert_int_equal(level, cases[i].level);
		for (unsigned k = 0; k < cases[i].n; k++)
			sum += counts[k] < level ? counts[k] : level;
		assert_true(sum <= cases[i].bound.total);
	}
}

static size_t count_of(struct db *db, uint8_t machine, uint64_t *first)
{
	struct event_query query = {.limit = 200, .mac = {{{2, 0, 0, 0, 0, machine}}}, .macs = 1};
	struct err e = ERR_INIT;
	struct ids ids = {0};

	assert_int_equal(db_read_events(db, &query, note, &ids, &e), 0);
	*first = ids.count ? ids.id[0] : 0;
	return ids.count;
}

/* A noisy machine loses its own oldest, a quiet one nothing; invented ones share one quota. */
static void noise_pushes_nobody_out(void **state)
{
	struct event_retention rule = {
	    .age_ms = 1000000, .number = {60, 40}, .bytes = {1 << 20, 1 << 20}};
	struct db *db = open_db("prune.db");
	struct err e = ERR_INIT;
	uint64_t id = 0, first;

	(void)state;
	in_one(db, true);
	for (int i = 0; i < 5; i++) {
		struct event quiet = make(++id, 1, EVENT_DHCP, "10.0.0.1");
		put(db, &quiet);
	}
	for (int i = 0; i < 150; i++) {
		struct event noisy = make(++id, 2, EVENT_DHCP, "10.0.0.2");
		put(db, &noisy);
		struct event invented = make(++id, (uint8_t)(100 + i % 100), EVENT_AGENT, "");
		mac_format(&invented.mac, invented.vm);
		invented.stranger = true;
		put(db, &invented);
	}
	assert_int_equal(db_prune(db, &rule, 1000, &e), 0);
	in_one(db, false);
	assert_int_equal(count_of(db, 1, &first), 5);
	assert_int_equal(first, 1);
	assert_int_equal(count_of(db, 2, &first), 27); /* of 55 that are left the half */
	assert_int_equal(first, 304 - 2 * 26);
	struct event_query all = {.limit = 200};
	struct ids ids = {0};
	assert_int_equal(db_read_events(db, &all, note, &ids, &e), 0);
	assert_int_equal(ids.count, 5 + 27 + 27);
	assert_int_equal(db_prune(db, &rule, 1000 + 1000 * 305 + rule.age_ms, &e), 0);
	ids.count = 0;
	assert_int_equal(db_read_events(db, &all, note, &ids, &e), 0);
	/* By which the next one has another id. */
	assert_int_equal(ids.count, 1);
	assert_int_equal(ids.id[0], id);
	assert_int_equal(db_last_event(db, &first, &e), 0);
	assert_int_equal(first, id);
	db_close(db);
}

/* Of that many bytes' events, small and large ones: what the file has in use afterwards. */
static void bytes_of_the_file_are_bounded(void **state)
{
	enum { TOTAL = 800000, OF_ONE = 300000 };
	struct event_retention rule = {
	    .age_ms = INT64_MAX / 2, .number = {1000000, 1000000}, .bytes = {TOTAL, OF_ONE}};
	struct db *db = open_db("bytes.db");
	struct event_query quiet = {.limit = 200, .mac = {{{2, 0, 0, 0, 0, 9}}}, .macs = 1};
	struct err e = ERR_INIT;
	struct ids ids = {0};
	char text[32];

	(void)state;
	in_one(db, true);
	for (uint64_t id = 1; id <= 12000; id++) {
		uint8_t machine = id <= 50 ? 9 : (uint8_t)(id % 4);
		struct event event = make(id, machine, EVENT_DHCP, "10.0.0.1");
		if (machine % 2 == 0) {
			memset(event.text, 't', sizeof(event.text) - 1);
			memset(event.data, 'd', sizeof(event.data) - 1);
		}
		put(db, &event);
	}
	in_one(db, false);
	assert_int_equal(db_query_text(db, "PRAGMA page_count", text, sizeof(text), &e), 0);
	assert_true(atoi(text) > 3 * TOTAL / 4096);
	in_one(db, true);
	assert_int_equal(db_prune(db, &rule, 1000, &e), 0);
	in_one(db, false);
	/* Whole in any case: it has the least. */
	assert_int_equal(db_read_events(db, &quiet, note, &ids, &e), 0);
	assert_int_equal(ids.count, 50);
	assert_int_equal(db_query_text(db,
			     "SELECT (page_count - freelist_count) * page_size FROM"
			     " pragma_page_count, pragma_freelist_count, pragma_page_size",
			     text, sizeof(text), &e),
	    0);
	print_message("in use: %s bytes of %d\n", text, TOTAL);
	assert_in_range(atoi(text), TOTAL * 3 / 4, TOTAL * 5 / 4);
	for (const char *const *of = (const char *const[]){"0", "1", "2", "3", NULL}; *of; of++) {
		char sql[300];
		snprintf(sql, sizeof(sql),
		    "SELECT sum(length(text) + coalesce(length(data), 0)) FROM event WHERE vm = 'vm%s'",
		    *of);
		assert_int_equal(db_query_text(db, sql, text, sizeof(text), &e), 0);
		assert_in_range(atoi(text), 1000, OF_ONE);
	}
	db_close(db);
}

/* ---- what others cause ----------------------------------------------------------------------- */

static size_t all_of(struct state *s)
{
	struct event_query page = {.limit = 100};
	struct err e = ERR_INIT;
	size_t count = 0;

	assert_int_equal(state_save(s, &e), 0);
	for (;;) {
		struct ids ids = {0};
		assert_int_equal(state_events(s, &page, note, &ids, &e), 0);
		if (ids.count == 0)
			return count;
		count += ids.count;
		page.after = ids.id[ids.count - 1];
	}
}

static void a_flood_of_words_is_bounded(void **state)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	(void)state;
	if (state_open(file_in(dir, "heard.db"), &s, &e) < 0)
		fail_msg("%s", e.msg);
	for (int i = 0; i < 20000; i++) {
		struct mac invented = {
		    {2, 1, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		state_heard(s, &invented, NULL, EVENT_DHCP_DISCOVER, "", NULL);
	}
	assert_in_range(all_of(s), 500, 501);
	const struct mac known = {{2, 0, 0, 0, 0, 1}}, other = {{2, 0, 0, 0, 0, 2}};
	for (int i = 0; i < 20000; i++)
		state_heard(s, &known, "web1", EVENT_DHCP_DISCOVER, "", NULL);
	size_t before = all_of(s);
	assert_in_range(before, 700, 705);
	state_heard(s, &other, "web2", EVENT_DHCP_DISCOVER, "", NULL);
	assert_int_equal(all_of(s), before + 1);
	state_close(s);
}

/* What a machine can do, and the kinds of events that come of it. */

static const struct mac web1 = {{2, 0, 0, 0, 0, 1}};

static void boots(struct state *s, int i)
{
	state_booted(s, &web1, "web1",
	    (struct boot_choice){i % 2 ? &boot_mode_shell : &boot_mode_install, BOOT_GOES});
}

static void installs_and_boots(struct state *s, int i)
{
	static const struct boot_choice local = {&boot_mode_local, BOOT_GOES};
	struct report over = {.phase = PHASE_REPORT, .status = REPORT_DONE, .eta_s = -1};
	struct firstboot_ready ready = {.result = NULL};

	if (i == 0) {
		boots(s, 0);
		assert_int_equal(state_reported(s, &web1, "web1", &over), STATE_IMPORTANT);
	}
	ready.result = json_pack("{s:s, s:s}", "status", "done", "boot_id", i % 2 ? "odd" : "even");
	assert_int_equal(state_became_ready(s, &web1, "web1", &ready), STATE_IMPORTANT);
	json_decref(ready.result);
	state_booted(s, &web1, "web1", local);
	for (int k = 0; k < 4; k++) {
		struct firstboot_event stage = {.text = "init", .begins = k % 2 == 0};
		state_cloud_init(s, &web1, "web1", &stage);
	}
}

static void reports(struct state *s, int i)
{
	struct report r = {.phase = i / 2 % 2 ? PHASE_CONFIG : PHASE_ROOTFS,
	    .status = i % 2 ? REPORT_DONE : REPORT_RUNNING,
	    .eta_s = -1};

	if (i == 0)
		boots(s, 0);
	assert_int_equal(state_reported(s, &web1, "web1", &r), 0);
}

static void chooses(struct state *s, int i)
{
	state_chose(s, &web1, "web1", i % 2 ? "local" : "shell", NULL);
}

static void is_refused(struct state *s, int i)
{
	(void)i;
	state_refused(s, &web1, "web1", "/config");
}

static void registers(struct state *s, int i)
{
	(void)i;
	state_agent(s, &web1, "web1");
}

static void is_leased(struct state *s, int i)
{
	static const struct vm vm = {.name = (char *)"web1", .mac = {{2, 0, 0, 0, 0, 1}}};
	struct lease lease = {
	    .mac = web1, .has_mac = true, .added = true, .gone = i % 2, .ends = 1000 + i};

	lease.ip.s_addr = 0x0101a8c0u + (uint32_t)(i / 2 % 2 << 24);
	state_leased(s, &vm, &lease);
}

#define BIT(kind) (UINT64_C(1) << EVENT_##kind)

static const struct {
	const char *name;
	void (*cause)(struct state *s, int i);
	uint64_t kinds; /* that come of it */
} causes[] = {
    {"boots", boots, BIT(IPXE) | BIT(STATE)},
    {"installs", installs_and_boots,
	BIT(IPXE) | BIT(STATE) | BIT(PHASE) | BIT(CLOUD_INIT) | BIT(CLOUD_INIT_END)},
    {"reports", reports, BIT(IPXE) | BIT(STATE) | BIT(PHASE) | BIT(PHASE_END)},
    {"chooses", chooses, BIT(CHOICE)},
    {"is refused", is_refused, BIT(REFUSED)},
    {"registers", registers, BIT(AGENT)},
    {"is leased", is_leased, BIT(DHCP) | BIT(LEASE)},
};

static void count_kind(void *ctx, const struct event *event)
{
	((unsigned *)ctx)[event->kind]++;
}

/* How many of each kind; returns how many in all. */
static unsigned count_kinds(struct state *s, unsigned *of)
{
	struct event_query all = {.limit = 100000};
	struct err e = ERR_INIT;
	unsigned sum = 0;

	memset(of, 0, event_kinds() * sizeof(*of));
	assert_int_equal(state_save(s, &e), 0);
	assert_int_equal(state_events(s, &all, count_kind, of, &e), 0);
	for (size_t k = 0; k < event_kinds(); k++)
		sum += of[k];
	return sum;
}

static struct state *open_new(const char *kind, size_t n)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;
	char name[40];

	snprintf(name, sizeof(name), "%s%zu.db", kind, n);
	if (state_open(file_in(dir, name), &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

/* Whatever a machine does again and again, it fills a few hundred events and no more. */
static void no_machine_fills_the_events(void **state)
{
	unsigned of[64], sum;

	(void)state;
	for (size_t n = 0; n < sizeof(causes) / sizeof(*causes); n++) {
		struct state *s = open_new("cause", n);
		for (int i = 0; i < 3000; i++)
			causes[n].cause(s, i);
		sum = count_kinds(s, of);
		if (sum > 900)
			fail_msg("whoever %s makes %u events", causes[n].name, sum);
		for (size_t k = 0; k < event_kinds(); k++)
			if ((causes[n].kinds >> k & 1) != (of[k] > 0))
				fail_msg("whoever %s makes %u events %s", causes[n].name, of[k],
				    event_info((enum event_kind)k)->name);
		state_close(s);
	}
}

/* Of each kind by its row, and those of a cause above are no machine's to cause without bound. */
static void each_kind_has_its_pace(void **state)
{
	unsigned of[64];

	(void)state;
	for (size_t k = 0; k < event_kinds(); k++) {
		enum event_kind kind = (enum event_kind)k;
		enum event_pace pace = event_info(kind)->pace;
		for (size_t n = 0; n < sizeof(causes) / sizeof(*causes); n++)
			assert_true(!(causes[n].kinds >> k & 1) || pace != EVENT_FREE);
		if (pace == EVENT_FREE || pace == EVENT_LEASED)
			continue;
		struct state *s = open_new("pace", k);
		for (int i = 0; i < 3000; i++)
			state_heard(s, &web1, "web1", kind, "", NULL);
		assert_in_range(count_kinds(s, of), 200, 610);
		state_close(s);
	}
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_question_one_answer),
	    cmocka_unit_test(levels),
	    cmocka_unit_test(noise_pushes_nobody_out),
	    cmocka_unit_test(bytes_of_the_file_are_bounded),
	    cmocka_unit_test(a_flood_of_words_is_bounded),
	    cmocka_unit_test(no_machine_fills_the_events),
	    cmocka_unit_test(each_kind_has_its_pace),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
