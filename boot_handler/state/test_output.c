/* What orders write: kept at both ends, idempotent by offset, bounded, over a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/state/output.h"

static char dir[] = "/tmp/test_output.XXXXXX", folder[60];
static struct outputs *outputs;

static void open_them(uint64_t most)
{
	struct err e = ERR_INIT;

	outputs_free(outputs);
	assert_int_equal(outputs_new(folder, most, &outputs, &e), 0);
}

static void take(int64_t order, uint64_t at, const void *bytes, size_t len)
{
	struct err e = ERR_INIT;

	if (outputs_take(outputs, order, at, bytes, len, &e) < 0)
		fail_msg("%s", e.msg);
}

static char *text;
static size_t len;

static const char *read_it(int64_t order)
{
	struct err e = ERR_INIT;

	free(text);
	if (outputs_read(outputs, order, &text, &len, &e) < 0)
		fail_msg("%s", e.msg);
	return text ? text : "";
}

static void told_twice_is_as_good_as_once(void **state)
{
	(void)state;
	assert_string_equal(read_it(7), "");
	take(7, 0, "one ", 4);
	take(7, 0, "one ", 4);
	take(7, 2, "e two", 5);
	take(7, 1, "xx", 2);
	assert_string_equal(read_it(7), "one two");
	open_them(OUTPUTS_BYTES_MAX);
	take(7, 7, "!", 1);
	assert_string_equal(read_it(7), "one two!");
	take(7, 10, "g", 1);
	(void)read_it(7);
	assert_int_equal(len, 11);
	assert_memory_equal(text, "one two!\0\0g", 11);
	outputs_drop(outputs, 7);
	assert_string_equal(read_it(7), "");
	take(7, 0, "anew", 4);
	assert_string_equal(read_it(7), "anew");
}

/* Bytes that tell where they stood. */
static char byte_at(uint64_t at)
{
	return (char)('a' + at % 23 + (at >> 16) % 3);
}

static void both_ends_are_kept(void **state)
{
	static char piece[OUTPUT_PIECE_MAX];
	uint64_t at = 0, total = 5 * 1024 * 1024 + 12345;

	(void)state;
	while (at < total) {
		size_t n = total - at < 60001 ? (size_t)(total - at) : 60001;
		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(at + i);
		take(8, at, piece, n);
		at += n;
		if (at > total / 2 && at < total / 2 + 60001)
			open_them(OUTPUTS_BYTES_MAX);
	}
	(void)read_it(8);
	uint64_t left_out = total - OUTPUT_FIRST_BYTES - OUTPUT_LAST_BYTES;
	char line[80];
	snprintf(
	    line, sizeof(line), "\n[%llu bytes are left out here]\n", (unsigned long long)left_out);
	assert_int_equal(len, OUTPUT_FIRST_BYTES + OUTPUT_LAST_BYTES + strlen(line));
	assert_memory_equal(text + OUTPUT_FIRST_BYTES, line, strlen(line));
	for (uint64_t i = 0; i < OUTPUT_FIRST_BYTES; i++)
		assert_int_equal(text[i], byte_at(i));
	const char *last = text + OUTPUT_FIRST_BYTES + strlen(line);
	for (uint64_t i = 0; i < OUTPUT_LAST_BYTES; i++)
		assert_int_equal(last[i], byte_at(OUTPUT_FIRST_BYTES + left_out + i));
}

static void the_oldest_go_first(void **state)
{
	static char piece[OUTPUT_PIECE_MAX];

	(void)state;
	open_them(20 * OUTPUT_PIECE_MAX);
	for (int64_t order = 100; order < 140; order++)
		take(order, 0, piece, sizeof(piece));
	assert_int_equal((read_it(100), len), 0);
	assert_int_equal((read_it(119), len), 0);
	assert_int_equal((read_it(139), len), sizeof(piece));
	open_them(5 * OUTPUT_PIECE_MAX);
	assert_int_equal((read_it(134), len), 0);
	assert_int_equal((read_it(135), len), sizeof(piece));
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(folder, sizeof(folder), "%s/output", dir);
	open_them(OUTPUTS_BYTES_MAX);
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	free(text);
	outputs_free(outputs);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(told_twice_is_as_good_as_once),
	    cmocka_unit_test(both_ends_are_kept),
	    cmocka_unit_test(the_oldest_go_first),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
