/* test_command.c - programs that end well, badly, late, or are not there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "os_installer/base/command.h"

static int run(const struct command *options, struct err *e, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct command c = *options;

	c.argv = argv;
	*e = (struct err)ERR_INIT;
	return command_run(&c, e);
}

static void its_end_is_told(void **state)
{
	static const struct {
		const char *script;
		int result;
		const char *says;
	} cases[] = {
	    {"exit 0", 0, ""},
	    {"exit 3", -EIO, "sh failed with exit code 3"},
	    {"echo first; echo the reason >&2; exit 1", -EIO,
		"sh failed with exit code 1: the reason"},
	    {"printf 'no newline'; exit 1", -EIO, "exit code 1: no newline"},
	    {"printf 'old\\rnew\\n\\n'; exit 1", -EIO, "exit code 1: new"},
	    {"kill -9 $$", -EIO, "sh was killed by signal 9"},
	    {"exit 127", -EIO, "sh failed with exit code 127"},
	    {"echo says something; exit 127", -EIO, "exit code 127: says something"},
	    {"read line && exit 1; exit 0", 0, ""},
	};
	const struct command options = {.loud = true};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(run(&options, &e, cases[i].script), cases[i].result);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("\"%s\": %s", cases[i].script, e.msg);
	}
}

static void its_environment_is_its_own(void **state)
{
	const struct command options = {.name = "mine"};
	struct err e;

	(void)state;
	assert_int_equal(run(&options, &e, "test \"$HOME $LC_ALL $TERM\" = '/root C dumb'"), 0);
	assert_int_equal(run(&options, &e, "test -z \"$ASAN_OPTIONS$USER\""), 0);
	assert_int_equal(run(&options, &e, "exit 1"), -EIO);
	assert_string_equal(e.msg, "mine failed with exit code 1");
}

/* With what it has started; a daemon that keeps the output open does not hold anyone up. */
static void it_has_its_time(void **state)
{
	const struct command options = {.timeout_s = 1};
	time_t begin = time(NULL);
	struct err e;

	(void)state;
	assert_int_equal(run(&options, &e, "sleep 30 & sleep 30"), -ETIMEDOUT);
	assert_string_equal(e.msg, "sh did not finish within 1 s");
	assert_int_equal(run(&(struct command){0}, &e, "sleep 30 & exit 0"), 0);
	assert_true(time(NULL) - begin < 20);
}

static void a_program_that_is_not_there(void **state)
{
	const char *const argv[] = {"no-such-program", NULL};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(command_run(&(struct command){.argv = argv}, &e), -ENOENT);
	assert_string_equal(e.msg, "there is no program no-such-program");
	assert_int_equal(
	    command_run(&(struct command){.argv = argv, .root = "/no/such"}, &e), -EPERM);
	assert_string_equal(e.msg, "cannot chroot into /no/such");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(its_end_is_told),
	    cmocka_unit_test(its_environment_is_its_own),
	    cmocka_unit_test(it_has_its_time),
	    cmocka_unit_test(a_program_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
