/* test_job.c - orders that end well and badly, crash, hang and leave others behind, in processes of
 * their own. What the server is told is tests/installer/test_agent_script.py's.
 */
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

#include <signal.h>

#include "lib/base/clock.h"
#include "os_installer/agent/job.h"
#include "os_installer/base/offspring.h"

static const struct server nobody = {.url = "http://127.0.0.1:9"};
static struct ear deaf = {.fd = -1};

static void carry_out(int (*run)(struct order_run *o, struct err *e), const char *args,
    int timeout_s, struct said *out)
{
	const struct order order = {.run = run};
	/* Without a number nothing is told. */
	struct server_order told = {.action = "try", .timeout_s = timeout_s};

	told.args = json_loads(args, 0, NULL);
	job_run(&order, &told, &nobody, &deaf, NULL, out);
	assert_true(out->ended);
	json_decref(told.args);
}

static int well(struct order_run *o, struct err *e)
{
	(void)e;
	order_progress(o, "first", 1, 2);
	order_text(o, "of the first");
	order_progress(o, "second", 3, 4);
	order_figure(o, "args", json_incref((json_t *)o->args));
	order_output(o, "output", 6);
	return 0;
}

static int badly(struct order_run *o, struct err *e)
{
	order_progress(o, "begun", 0, 0);
	order_hint(o, "do this");
	return err_set(e, ENOSPC, "it is full");
}

static void the_end_is_told(void **state)
{
	struct said said;

	(void)state;
	carry_out(well, "{\"a\": 1}", 0, &said);
	assert_true(said.ok);
	assert_string_equal(said.phase, "second");
	assert_string_equal(said.text, "");
	assert_int_equal(said.done_bytes, 3);
	assert_string_equal(said.figures, "{\"args\":{\"a\":1}}");
	carry_out(badly, "{}", 0, &said);
	assert_false(said.ok);
	assert_string_equal(said.why.msg, "it is full");
	assert_string_equal(said.hint, "do this");
	assert_string_equal(said.phase, "begun");
	assert_string_equal(said.figures, "");
}

static int many_figures(struct order_run *o, struct err *e)
{
	char name[32], value[301];

	(void)e;
	memset(value, 'x', 300);
	value[300] = '\0';
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		order_figure(o, name, json_string(value));
	}
	order_figure(o, "last", json_integer(1));
	return 0;
}

static void figures_are_bounded(void **state)
{
	struct said said;

	(void)state;
	carry_out(many_figures, "{}", 0, &said);
	json_t *doc = json_loads(said.figures, 0, NULL);
	assert_non_null(doc);
	assert_true(strlen(said.figures) < BOARD_FIGURES_SIZE);
	assert_int_equal(json_object_size(doc), 14);
	assert_int_equal(json_integer_value(json_object_get(doc, "last")), 1);
	json_decref(doc);
}

static int killed(struct order_run *o, struct err *e)
{
	(void)e;
	order_progress(o, "doomed", 0, 0);
	order_figure(o, "before", json_true());
	board_take(o->board); /* it dies with it in hand */
	raise(SIGKILL);
	return 0;
}

static int leaves(struct order_run *o, struct err *e)
{
	(void)o;
	(void)e;
	_exit(9);
}

static void a_crash_is_told(void **state)
{
	struct said said;

	(void)state;
	carry_out(killed, "{}", 0, &said);
	assert_false(said.ok);
	assert_non_null(strstr(said.why.msg, "ended by signal 9"));
	assert_string_equal(said.phase, "doomed");
	assert_string_equal(said.figures, "{\"before\":true}");
	carry_out(leaves, "{}", 0, &said);
	assert_non_null(strstr(said.why.msg, "exit code 9"));
}

static int hangs(struct order_run *o, struct err *e)
{
	(void)e;
	for (int i = 0; i < 30; i++)
		if (fork() == 0) {
			setsid();
			signal(SIGTERM, SIG_IGN);
			if (i % 2 == 0)
				_exit(0);
			for (;;)
				pause();
		}
	order_progress(o, "hangs", 0, 0);
	for (;;)
		pause();
}

static void what_hangs_is_ended_with_all_that_it_started(void **state)
{
	int64_t began_ms = monotonic_ms();
	struct said said;

	(void)state;
	carry_out(hangs, "{}", 1, &said);
	assert_false(said.ok);
	assert_non_null(strstr(said.why.msg, "it had 1 s"));
	assert_string_equal(said.phase, "hangs");
	assert_in_range(monotonic_ms() - began_ms, 1000, 30000);
	assert_int_equal(offspring_end(0), 0);
}

static int floods(struct order_run *o, struct err *e)
{
	static char bytes[65536];

	(void)e;
	for (int i = 0; i < 1000; i++)
		order_output(o, bytes, sizeof(bytes));
	return 0;
}

static void output_that_nobody_takes_holds_nobody_up(void **state)
{
	struct said said;

	(void)state;
	carry_out(floods, "{}", 60, &said);
	assert_true(said.ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_end_is_told),
	    cmocka_unit_test(figures_are_bounded),
	    cmocka_unit_test(a_crash_is_told),
	    cmocka_unit_test(what_hangs_is_ended_with_all_that_it_started),
	    cmocka_unit_test(output_that_nobody_takes_holds_nobody_up),
	};

	offspring_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
