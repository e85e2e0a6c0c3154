/* What is kept of inventories when there is no room for all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/inventory.h"
#include "lib/machine/machine.h"

static struct mac mac_of(unsigned n)
{
	return mac_from_number(UINT64_C(0x525400000000) + n);
}

static bool is_even(void *ctx, const struct mac *mac)
{
	(void)ctx;
	return mac_number(mac) % 2 == 0;
}

/* 100 bytes each. */
static int take(struct inventories *t, unsigned machine, unsigned which, int64_t now_ms)
{
	struct mac mac = mac_of(machine);
	char text[101];

	snprintf(text, sizeof(text), "%0100u", which);
	return inventories_take(t, &mac, strdup(text), now_ms, is_even, NULL, NULL);
}

static unsigned kept(struct inventories *t, unsigned machine)
{
	struct inventory_row rows[INVENTORIES_OF_ONE];
	struct mac mac = mac_of(machine);

	return inventories_of(t, &mac, rows);
}

/* Superseded ones, then strangers', then the oldest. */
static void what_goes_first(void **state)
{
	struct inventories *t;

	(void)state;
	assert_int_equal(inventories_new(600, &t, NULL), 0);
	assert_int_equal(take(t, 2, 1, 1), 0);
	assert_int_equal(take(t, 2, 2, 2), 0);
	assert_int_equal(take(t, 3, 1, 3), 0);
	assert_int_equal(take(t, 4, 1, 4), 0);
	assert_int_equal(take(t, 5, 1, 5), 0);
	assert_int_equal(take(t, 6, 1, 6), 0);
	assert_int_equal(kept(t, 2), 2);
	assert_int_equal(take(t, 8, 1, 7), 0);
	assert_int_equal(kept(t, 2), 1);
	assert_int_equal(take(t, 10, 1, 8), 0);
	assert_int_equal(kept(t, 3), 0);
	assert_int_equal(take(t, 7, 1, 9), 0);
	assert_int_equal(kept(t, 5), 0);
	assert_int_equal(take(t, 12, 1, 10), 0);
	assert_int_equal(kept(t, 7), 0);
	assert_int_equal(take(t, 14, 1, 11), 0);
	assert_int_equal(kept(t, 2), 0);
	assert_int_equal(kept(t, 14), 1);
	inventories_free(t);
}

static void one_that_says_the_same_and_one_that_says_much(void **state)
{
	struct inventories *t;
	unsigned n = 0;

	(void)state;
	assert_int_equal(inventories_new(100000, &t, NULL), 0);
	assert_int_equal(take(t, 2, 1, 1), 0);
	assert_int_equal(take(t, 2, 1, 2), INVENTORY_SAME);
	assert_int_equal(kept(t, 2), 1);
	while (n < 1000 && take(t, 2, 10 + n, 3) == 0)
		n++;
	assert_in_range(n, 8, 50);
	assert_int_equal(take(t, 2, 1, 3), -EBUSY);
	assert_int_equal(take(t, 4, 1, 3), 0);
	assert_int_equal(kept(t, 2), INVENTORIES_OF_ONE);
	assert_int_equal(take(t, 2, 7, 3600 * 1000), 0);
	inventories_free(t);
}

/* Invented machines do not keep the disk busy. */
static void a_flood_of_strangers(void **state)
{
	struct inventories *t;
	unsigned n = 0;

	(void)state;
	assert_int_equal(inventories_new(1000000, &t, NULL), 0);
	while (n < 5000 && take(t, 2 * n + 1, n, 1000) == 0)
		n++;
	assert_int_equal(n, 1000);
	assert_int_equal(kept(t, 2 * n + 1), 0);
	assert_int_equal(take(t, 2, 1, 1000), 0);
	inventories_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_goes_first),
	    cmocka_unit_test(one_that_says_the_same_and_one_that_says_much),
	    cmocka_unit_test(a_flood_of_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
