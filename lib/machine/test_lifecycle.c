/* What a boot, a report and an order make of a machine, state by state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/machine/lifecycle.h"

enum { NONE, TAKEN = 1, CHANGED = 2, ANEW = 4, REBOOTS = 8, SAVE = 16 };

#define LIFE(s, ...) {.state = MACHINE_##s, __VA_ARGS__}
#define BOOTS(...) {.kind = LIFE_BOOTS, __VA_ARGS__}
#define REPORTS(...) {.kind = LIFE_REPORTS, __VA_ARGS__}
#define DO(k) {.kind = LIFE_##k}

static const struct {
	struct life life;
	struct happening happening;
	unsigned flags;
	struct life after; /* where it changes */
} cases[] = {
    /* Boots. */
    {LIFE(DECLARED), BOOTS(.installs = true), TAKEN | CHANGED | ANEW, LIFE(BOOTING, .attempt = 1)},
    {LIFE(BOOTING, .attempt = 1), BOOTS(.installs = true), TAKEN, {0}},
    {LIFE(BOOTING), BOOTS(.installs = true), TAKEN | CHANGED | ANEW, LIFE(BOOTING, .attempt = 1)},
    {LIFE(INSTALLING, .attempt = 1), BOOTS(.installs = true), TAKEN | CHANGED | ANEW,
	LIFE(BOOTING, .attempt = 2)},
    {LIFE(INSTALLING, .attempt = 1, .ordered = true), BOOTS(.installs = true),
	TAKEN | CHANGED | ANEW, LIFE(BOOTING, .attempt = 2, .ordered = true)},
    {LIFE(DECLARED, .attempt = 4, .reinstall = true), BOOTS(.installs = true),
	TAKEN | CHANGED | ANEW, LIFE(BOOTING, .attempt = 5, .ordered = true)},
    {LIFE(DECLARED, .attempt = 4, .reinstall = true), BOOTS(0), TAKEN, {0}},
    {LIFE(FAILED, .attempt = 1), BOOTS(0), TAKEN, {0}},
    {LIFE(FAILED, .attempt = 1), BOOTS(.installs = true), TAKEN | CHANGED | ANEW,
	LIFE(BOOTING, .attempt = 2)},
    {LIFE(INSTALLED, .attempt = 1), BOOTS(.installs = true), TAKEN | CHANGED | ANEW,
	LIFE(BOOTING, .attempt = 2, .ordered = true)},
    {LIFE(READY, .attempt = 1), BOOTS(.installs = true), TAKEN | CHANGED | ANEW,
	LIFE(BOOTING, .attempt = 2, .ordered = true)},
    {LIFE(INSTALLED, .attempt = 1), BOOTS(.restarts = true, .tells = true), TAKEN, {0}},
    {LIFE(READY, .attempt = 1), BOOTS(.restarts = true, .tells = true), TAKEN | CHANGED | REBOOTS,
	LIFE(INSTALLED, .attempt = 1)},
    {LIFE(READY, .attempt = 1), BOOTS(.restarts = true), TAKEN, {0}},
    {LIFE(READY, .attempt = 1), BOOTS(.tells = true), TAKEN, {0}},
    /* Reports. */
    {LIFE(BOOTING, .attempt = 1), REPORTS(0), TAKEN | CHANGED, LIFE(INSTALLING, .attempt = 1)},
    {LIFE(DECLARED), REPORTS(0), TAKEN | CHANGED, LIFE(INSTALLING, .attempt = 1)},
    {LIFE(DECLARED), REPORTS(.done = true), NONE, {0}},
    {LIFE(DECLARED, .local = true), REPORTS(.done = true), NONE, {0}},
    {LIFE(DECLARED, .attempt = 2, .reinstall = true), REPORTS(.done = true), NONE, {0}},
    {LIFE(INSTALLING, .attempt = 1), REPORTS(0), TAKEN, {0}},
    {LIFE(INSTALLING, .attempt = 1, .ordered = true), REPORTS(.failed = true),
	TAKEN | CHANGED | SAVE, LIFE(FAILED, .attempt = 1, .ordered = true)},
    {LIFE(INSTALLING, .attempt = 1, .ordered = true), REPORTS(.done = true),
	TAKEN | CHANGED | ANEW | SAVE, LIFE(INSTALLED, .attempt = 1)},
    {LIFE(BOOTING, .attempt = 1), REPORTS(.done = true, .installed_as = 7),
	TAKEN | CHANGED | ANEW | SAVE, LIFE(INSTALLED, .attempt = 7)},
    {LIFE(BOOTING, .attempt = 9), REPORTS(.done = true, .installed_as = 7),
	TAKEN | CHANGED | ANEW | SAVE, LIFE(INSTALLED, .attempt = 9)},
    {LIFE(FAILED, .attempt = 1), REPORTS(0), NONE, {0}},
    {LIFE(FAILED, .attempt = 1), REPORTS(.failed = true), NONE, {0}},
    {LIFE(FAILED, .attempt = 1), REPORTS(.done = true), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(INSTALLED, .attempt = 1)},
    {LIFE(INSTALLED, .attempt = 1), REPORTS(.failed = true), NONE, {0}},
    {LIFE(READY, .attempt = 1), REPORTS(.done = true), NONE, {0}},
    {LIFE(INSTALLING, .attempt = 1, .reinstall = true), REPORTS(.done = true), NONE, {0}},
    /* What the system tells. */
    {LIFE(INSTALLED), DO(TELLS), TAKEN, {0}},
    {LIFE(READY), DO(TELLS), NONE, {0}},
    {LIFE(INSTALLING), DO(TELLS), NONE, {0}},
    {LIFE(INSTALLED, .attempt = 1), DO(IS_READY), TAKEN | CHANGED | REBOOTS | SAVE,
	LIFE(READY, .attempt = 1)},
    {LIFE(READY, .attempt = 1), DO(IS_READY), TAKEN | REBOOTS | SAVE, {0}},
    {LIFE(DECLARED, .reinstall = true), DO(IS_READY), NONE, {0}},
    {LIFE(FAILED), DO(IS_READY), NONE, {0}},
    /* Orders. */
    {LIFE(READY, .attempt = 3, .local = true), DO(REINSTALL), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(DECLARED, .attempt = 3, .reinstall = true)},
    {LIFE(FAILED, .attempt = 3, .ordered = true), DO(LOCAL), TAKEN | CHANGED | SAVE,
	LIFE(FAILED, .attempt = 3, .local = true)},
    {LIFE(DECLARED, .attempt = 3, .reinstall = true), DO(LOCAL), TAKEN | CHANGED | SAVE,
	LIFE(DECLARED, .attempt = 3, .local = true)},
    {LIFE(DECLARED, .reinstall = true), DO(DEPLOYED), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(INSTALLED, .attempt = 1)},
    {LIFE(READY, .attempt = 3, .ordered = true), DO(DEPLOYED), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(INSTALLED, .attempt = 3)},
    {LIFE(READY, .attempt = 3), DO(WIPED), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(DECLARED, .attempt = 3)},
    {LIFE(INSTALLED, .attempt = 2, .local = true, .netboot_off = true), DO(WIPED),
	TAKEN | CHANGED | ANEW | SAVE,
	LIFE(DECLARED, .attempt = 2, .local = true, .netboot_off = true)},
    {LIFE(FAILED, .attempt = 3), DO(WIPED), NONE, {0}},
    {LIFE(DECLARED, .attempt = 3, .reinstall = true), DO(WIPED), NONE, {0}},
    {LIFE(READY, .attempt = 3), DO(NETBOOT_OFF), TAKEN | CHANGED | SAVE,
	LIFE(READY, .attempt = 3, .netboot_off = true)},
    {LIFE(READY, .attempt = 3, .netboot_off = true), DO(NETBOOT_ON), TAKEN | CHANGED | SAVE,
	LIFE(READY, .attempt = 3)},
    {LIFE(DECLARED, .reinstall = true, .netboot_off = true), BOOTS(.installs = true),
	TAKEN | CHANGED | ANEW, LIFE(BOOTING, .attempt = 1, .ordered = true, .netboot_off = true)},
    {LIFE(READY, .netboot_off = true), DO(REINSTALL), TAKEN | CHANGED | ANEW | SAVE,
	LIFE(DECLARED, .reinstall = true, .netboot_off = true)},
};

static bool same(const struct life *a, const struct life *b)
{
	return a->state == b->state && a->local == b->local && a->reinstall == b->reinstall &&
	       a->attempt == b->attempt && a->ordered == b->ordered &&
	       a->netboot_off == b->netboot_off;
}

static void steps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct life_step got = lifecycle_step(&cases[i].life, &cases[i].happening);
		unsigned flags = (got.taken ? TAKEN : 0) | (got.changed ? CHANGED : 0) |
				 (got.anew ? ANEW : 0) | (got.reboots ? REBOOTS : 0) |
				 (got.must_save ? SAVE : 0);
		const struct life *after = got.changed ? &cases[i].after : &cases[i].life;
		if (flags != cases[i].flags)
			fail_msg("case %zu: %u", i, flags);
		if (!same(&got.life, after))
			fail_msg("case %zu: state %d attempt %u", i, (int)got.life.state,
			    got.life.attempt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
