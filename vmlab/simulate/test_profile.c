/* What a simulation's profile may say, and who has which fault by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/simulate/profile.h"

#define MACHINES 20

struct heard {
	char where[100], why[1000];
	char unknown[100];
};

static void refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct heard *heard = ctx;

	json_path_format(bad, heard->where, sizeof(heard->where));
	strcpy(heard->why, why->msg);
}

static void unknown(void *ctx, const struct json_path *key, const char *nearest)
{
	struct heard *heard = ctx;

	(void)nearest;
	json_path_format(key, heard->unknown, sizeof(heard->unknown));
}

static int profile_of(const char *text, struct simulate_profile *p, struct heard *heard)
{
	struct json_reader r = {.refuse = refused, .unknown = unknown, .ctx = heard};
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;

	assert_true(!text || doc);
	memset(heard, 0, sizeof(*heard));
	int rc = simulate_profile_read(&r, doc, MACHINES, p);
	json_decref(doc);
	return rc;
}

static void nothing_is_a_profile(void **state)
{
	struct simulate_profile p;
	struct heard heard;

	(void)state;
	assert_int_equal(profile_of(NULL, &p, &heard), 0);
	assert_true(p.over_s > 0 && p.speed > 0 && p.patience_s > 0 && p.rootfs_bytes > 0);
	for (unsigned n = 1; n <= MACHINES; n++)
		assert_int_equal(simulate_faults_of(&p, n), 0);
	simulate_profile_clear(&p);
}

static void faults_are_of_listed_machines_or_of_a_share(void **state)
{
	struct simulate_profile p, again;
	struct heard heard;
	unsigned slow = 0;

	(void)state;
	static const char text[] = "{\"seed\": 7, \"over_s\": 0.5, \"rootfs\": \"1M\", "
				   "\"faults\": {\"silence\": [2, 20], \"slow\": 0.25}}";
	assert_int_equal(profile_of(text, &p, &heard), 0);
	assert_int_equal(profile_of(text, &again, &heard), 0);
	assert_int_equal(p.rootfs_bytes, 1 << 20);
	for (unsigned n = 1; n <= 1000; n++) {
		unsigned faults = simulate_faults_of(&p, n);
		assert_int_equal(faults, simulate_faults_of(&again, n));
		assert_int_equal(!!(faults & 1u << SIMULATE_SILENCE), n == 2 || n == 20);
		slow += !!(faults & 1u << SIMULATE_SLOW);
	}
	assert_in_range(slow, 200, 300);
	simulate_profile_clear(&p);
	simulate_profile_clear(&again);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *where, *why;
	} cases[] = {
	    {"{\"over_s\": -1}", "over_s", "from 0 to 86400"},
	    {"{\"speed\": \"10\"}", "speed", "a number"},
	    {"{\"rootfs\": 16}", "rootfs", "\"16M\""},
	    {"{\"rootfs\": \"0\"}", "rootfs", "from 1 B"},
	    {"{\"seed\": 1.5}", "seed", "whole number"},
	    {"{\"faults\": [1]}", "faults", ""},
	    {"{\"faults\": {\"slow\": 1.5}}", "faults.slow", "from 0 to 1"},
	    {"{\"faults\": {\"slow\": true}}", "faults.slow", "a list"},
	    {"{\"faults\": {\"slow\": [1, 21]}}", "faults.slow[1]", "20"},
	    {"{\"faults\": {\"slow\": [0]}}", "faults.slow[0]", "1"},
	};
	struct simulate_profile p;
	struct heard heard;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(profile_of(cases[i].text, &p, &heard), -22);
		assert_string_equal(heard.where, cases[i].where);
		if (!strstr(heard.why, cases[i].why))
			fail_msg("%s: %s", cases[i].text, heard.why);
		simulate_profile_clear(&p);
	}
	assert_int_equal(profile_of("{\"faults\": {\"slwo\": 1}}", &p, &heard), 0);
	assert_string_equal(heard.unknown, "faults.slwo");
	simulate_profile_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_a_profile),
	    cmocka_unit_test(faults_are_of_listed_machines_or_of_a_share),
	    cmocka_unit_test(what_is_wrong_is_told_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
