#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "boot_handler/pages/machine_board.h"

/* {"id":A,"state":..,"says":..,"percent":N} of each. */
static json_t *rows_of(const char *text)
{
	json_t *rows = json_loads(text, 0, NULL);

	assert_non_null(rows);
	return rows;
}

static struct board *next(struct board *old, uint64_t version, const char *text)
{
	json_t *rows = rows_of(text);
	struct board *b = board_next(old, version, rows);

	assert_non_null(b);
	json_decref(rows);
	board_unref(old);
	return b;
}

static uint64_t set_of(const struct board *b, size_t row, const char *value)
{
	for (size_t i = 0; i < BOARD_VALUES; i++)
		if (strcmp(board_values[i], value) == 0)
			return b->rows[row].set[i];
	fail();
	return 0;
}

#define A "{\"id\":\"a\",\"state\":\"installing\",\"says\":\"x\",\"percent\":1}"
#define A_ON "{\"id\":\"a\",\"state\":\"installing\",\"says\":\"x\",\"percent\":2}"
#define A_READY "{\"id\":\"a\",\"state\":\"ready\",\"says\":\"ready\",\"percent\":-1}"
#define B "{\"id\":\"b\",\"state\":\"ready\",\"says\":\"ready\",\"percent\":-1}"

static void test_the_first(void **state)
{
	(void)state;
	struct board *b = next(NULL, 7, "[" A "," B "]");
	assert_int_equal(b->count, 2);
	assert_int_equal(b->ordered, 7);
	assert_int_equal(b->rows[1].formed, 7);
	assert_int_equal(json_integer_value(json_object_get(b->counts, "ready")), 1);
	board_unref(b);
}

static void test_nothing_is_nothing(void **state)
{
	(void)state;
	struct board *b = next(next(NULL, 7, "[" A "," B "]"), 8, "[" A "," B "]");
	assert_int_equal(b->version, 8);
	assert_int_equal(b->ordered, 7);
	assert_int_equal(b->rows[0].formed, 7);
	assert_int_equal(set_of(b, 0, "percent"), 7);
	board_unref(b);
}

static void test_a_value_forms_no_row(void **state)
{
	(void)state;
	struct board *b = next(next(NULL, 7, "[" A "," B "]"), 8, "[" A_ON "," B "]");
	assert_int_equal(b->rows[0].formed, 7);
	assert_int_equal(set_of(b, 0, "percent"), 8);
	assert_int_equal(set_of(b, 0, "says"), 7);
	assert_int_equal(set_of(b, 1, "percent"), 7);
	assert_int_equal(b->ordered, 7);
	board_unref(b);
}

static void test_a_state_forms_its_row(void **state)
{
	(void)state;
	struct board *b = next(next(NULL, 7, "[" A "," B "]"), 8, "[" A_READY "," B "]");
	assert_int_equal(b->rows[0].formed, 8);
	assert_int_equal(set_of(b, 0, "says"), 8);
	assert_int_equal(b->rows[1].formed, 7);
	assert_int_equal(b->ordered, 8);
	b = next(b, 9, "[" A_READY "," B "]");
	assert_int_equal(b->rows[0].formed, 8);
	assert_int_equal(b->ordered, 8);
	board_unref(b);
}

static void test_rows_come_move_and_go(void **state)
{
	(void)state;
	struct board *b = next(next(NULL, 7, "[" A "]"), 8, "[" A "," B "]");
	assert_int_equal(b->rows[0].formed, 7);
	assert_int_equal(b->rows[1].formed, 8);
	assert_int_equal(b->ordered, 8);
	b = next(b, 9, "[" B "," A "]");
	assert_int_equal(b->rows[0].formed, 8);
	assert_int_equal(b->rows[1].formed, 7);
	assert_int_equal(b->ordered, 9);
	b = next(b, 10, "[" B "]");
	assert_int_equal(b->ordered, 10);
	assert_int_equal(b->rows[0].formed, 8);
	b = next(b, 11, "[" B "," A "]");
	assert_int_equal(b->rows[1].formed, 11);
	board_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first),
	    cmocka_unit_test(test_nothing_is_nothing),
	    cmocka_unit_test(test_a_value_forms_no_row),
	    cmocka_unit_test(test_a_state_forms_its_row),
	    cmocka_unit_test(test_rows_come_move_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
