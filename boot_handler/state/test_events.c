#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/db.h"
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
		unsigned counts[4], n;
		struct event_retention rule;
		unsigned level;
	} cases[] = {
	    {{0}, 0, {0, 100, 50}, 50},
	    {{10, 20, 30}, 3, {0, 100, 50}, 50},         /* all fit */
	    {{10, 80, 5}, 3, {0, 100, 50}, 50},          /* the quota alone */
	    {{1000, 10, 1000, 20}, 4, {0, 100, 50}, 35}, /* who has the most gives */
	    {{1000, 1000, 1000, 1000}, 4, {0, 100, 50}, 25},
	    {{7, 7}, 2, {0, 0, 50}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned counts[4], level, sum = 0;

		memcpy(counts, cases[i].counts, sizeof(counts));
		level = event_prune_level(counts, cases[i].n, &cases[i].rule);
		assert_int_equal(level, cases[i].level);
		for (unsigned k = 0; k < cases[i].n; k++)
			sum += counts[k] < level ? counts[k] : level;
		assert_true(sum <= cases[i].rule.total);
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
	struct event_retention rule = {.age_ms = 1000000, .total = 60, .of_one = 40};
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
	    cmocka_unit_test(a_flood_of_words_is_bounded),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
