#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vmlab/lab/api.h"
#include "vmlab/follow/power_state.h"

#define STARTED "2026-01-31T12:00:00.5Z"
#define BEFORE "2026-01-31T11:59:59Z"
#define AFTER "2026-01-31T12:00:09Z"

static const struct {
	const char *status;
	const char *state, *seen, *changed;
	enum power_state power;
	bool was_ready;
} cases[] = {
    {"running", "ready", BEFORE, BEFORE, POWER_STARTING, true},
    {"running", "ready", AFTER, BEFORE, POWER_ON, true},
    {"running", "ready", AFTER, AFTER, POWER_ON, false},
    {"running", "installed", AFTER, AFTER, POWER_ON, false},
    {"running", "declared", NULL, NULL, POWER_STARTING, false},
    {"running", "failed", BEFORE, BEFORE, POWER_STARTING, false},
    {"running", NULL, NULL, NULL, POWER_ON, false},
    {"exited", "ready", BEFORE, BEFORE, POWER_STOPPED, true},
    {"created", NULL, NULL, NULL, POWER_STOPPED, false},
    {"restarting", "ready", BEFORE, BEFORE, POWER_STARTING, true},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_json_ json_t *info = json_pack("{s:{s:s}}", "State", "StartedAt", STARTED);
		_cleanup_json_ json_t *vm =
		    cases[i].state ? json_pack("{s:s, s:s?, s:s?}", "state", cases[i].state,
					 "last_seen", cases[i].seen, "changed_at", cases[i].changed)
				   : NULL;
		struct container c = {.info = info,
		    .status = cases[i].status,
		    .running = strcmp(cases[i].status, "running") == 0};
		if (power_state_of(&c, vm) != cases[i].power ||
		    power_state_was_ready(&c, vm) != cases[i].was_ready)
			fail_msg("case %zu: %d", i, power_state_of(&c, vm));
	}
	assert_int_equal(power_state_of(NULL, NULL), POWER_UNKNOWN);
	assert_null(power_state_name(POWER_UNKNOWN));
	assert_string_equal(power_state_name(POWER_STARTING), "starting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
