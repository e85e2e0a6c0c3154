/* test_memory.c - memory that keeps what is written to it, and memory that does not: bits are
 * changed, or held, while a pass is made. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/trial/memory.h"

#define COUNT ((size_t)(9U << 20) / sizeof(uint64_t)) /* more than two blocks */

struct harm {
	uint64_t *word;
	uint64_t mask;
	bool stuck; /* from the beginning on; else once, at tick `at` */
	unsigned ticks, at;
	unsigned stop_at; /* 0: never */
};

static bool tick(void *ctx, const struct memory_seen *seen)
{
	struct harm *h = ctx;

	(void)seen;
	h->ticks++;
	if (h->stuck)
		*h->word |= h->mask;
	else if (h->word && h->ticks == h->at)
		*h->word ^= h->mask;
	return h->ticks != h->stop_at;
}

static uint64_t *words(void)
{
	uint64_t *w = malloc(COUNT * sizeof(*w));

	assert_non_null(w);
	return w;
}

static void good_memory_has_no_errors(void **state)
{
	uint64_t *w = words();
	struct memory_seen seen = {0};
	struct harm none = {0};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(memory_pass(w, COUNT, i, tick, &none, &seen));
	assert_int_equal(seen.passes, 5);
	assert_int_equal(seen.errors, 0);
	assert_int_equal(seen.bytes, 5 * 13 * COUNT * sizeof(*w));
	assert_true(memory_pass(w, 1, 5, tick, &none, &seen));
	free(w);
}

/* Wherever it is, and whenever it happens but right before all is written anew. */
static void a_bit_that_changes_is_found(void **state)
{
	static const size_t places[] = {0, 1, COUNT / 2, COUNT - 1};
	uint64_t *w = words();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct memory_seen seen = {0};
		struct harm h = {.word = &w[places[i]], .mask = 1ULL << (13 * i), .at = 3};
		assert_true(memory_pass(w, COUNT, (unsigned)i, tick, &h, &seen));
		assert_int_equal(seen.errors, 1);
		assert_ptr_equal(seen.fault[0].at, &w[places[i]]);
		assert_int_equal(seen.fault[0].expected ^ seen.fault[0].found, h.mask);
	}
	free(w);
}

static void a_bit_that_is_stuck_is_found_in_every_test(void **state)
{
	uint64_t *w = words();
	struct memory_seen seen = {0};
	struct harm h = {.word = &w[COUNT - 7], .mask = 0x8000, .stuck = true};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_true(memory_pass(w, COUNT, i, tick, &h, &seen));
	assert_true(seen.errors >= 20);
	for (size_t i = 0; i < MEMORY_FAULTS_MAX; i++) {
		assert_ptr_equal(seen.fault[i].at, &w[COUNT - 7]);
		assert_int_equal(seen.fault[i].expected ^ seen.fault[i].found, 0x8000);
	}
	free(w);
}

static void a_pass_that_is_stopped_does_not_count(void **state)
{
	uint64_t *w = words();
	unsigned all;
	struct harm h = {0};
	struct memory_seen seen = {0};

	(void)state;
	assert_true(memory_pass(w, COUNT, 0, tick, &h, &seen));
	all = h.ticks;
	for (unsigned stop = 1; stop <= all; stop++) {
		seen = (struct memory_seen){0};
		h = (struct harm){.stop_at = stop};
		assert_false(memory_pass(w, COUNT, 0, tick, &h, &seen));
		assert_int_equal(seen.passes, 0);
		assert_int_equal(h.ticks, stop);
	}
	free(w);
}

static void memory_is_taken_and_has_a_place(void **state)
{
	struct err e = ERR_INIT;
	uint64_t *w;
	size_t count;

	(void)state;
	if (memory_take(32U << 20, &w, &count, &e) == -ENOMEM)
		skip();
	assert_int_equal(count * sizeof(*w), 32U << 20);
	w[count - 1] = 1;
	uint64_t physical = memory_physical(&w[5]);
	if (physical) /* only to those that may know */
		assert_int_equal(physical % 4096, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_memory_has_no_errors),
	    cmocka_unit_test(a_bit_that_changes_is_found),
	    cmocka_unit_test(a_bit_that_is_stuck_is_found_in_every_test),
	    cmocka_unit_test(a_pass_that_is_stopped_does_not_count),
	    cmocka_unit_test(memory_is_taken_and_has_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
