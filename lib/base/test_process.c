/* test_process.c - children: what is taken from them, how their end is told, and that they do not
 * stay behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/process.h"

static const char *const *script(const char *text)
{
	static const char *argv[] = {"/bin/sh", "-c", NULL, NULL};

	argv[2] = text;
	return argv;
}

static void what_it_writes_is_taken(void **state)
{
	_cleanup_argv_ struct argv a = ARGV_INIT, silent = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	struct err e = ERR_INIT;

	(void)state;
	argv_adds(&a, "sh", "-c", "echo 0123456789; echo oops >&2; exit 3");
	assert_int_equal(process_capture(&a, 5000, 4, &r, &e), 0);
	assert_int_equal(r.status, 3);
	assert_string_equal(r.out, "0123");
	assert_int_equal(r.out_len, 4);
	assert_true(r.truncated);
	assert_string_equal(r.err, "oops\n");
	argv_adds(&silent, "sh", "-c", "read line && exit 1; kill -9 $$");
	assert_int_equal(process_capture(&silent, 5000, 4, &r, &e), 0);
	assert_int_equal(r.status, 128 + SIGKILL);
	assert_string_equal(r.out, "");
	assert_false(r.truncated);
}

static void one_that_is_not_there(void **state)
{
	const char *const argv[] = {"/nowhere/program", NULL};
	struct process p = {.argv = argv};
	struct err e = ERR_INIT;
	pid_t pid;

	(void)state;
	for (p.bond = PROCESS_GROUP; p.bond <= PROCESS_FREE; p.bond++) {
		assert_int_equal(process_start(&p, &pid, &e), -ENOENT);
		assert_string_equal(
		    e.msg, "cannot start /nowhere/program: No such file or directory");
	}
	p.root = "/nowhere";
	assert_int_equal(process_start(&p, &pid, &e), -EPERM);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static bool always(void)
{
	return true;
}

/* With what it has started, also after it closed its output. */
static void nobody_waits_for_ever(void **state)
{
	struct process p = {.argv = script("sleep 60 & exec >&- 2>&-; sleep 60"),
	    .name = "slow",
	    .timeout_ms = 1000};
	_cleanup_argv_ struct argv left = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;
	struct err e = ERR_INIT;
	int64_t begin = monotonic_ms();
	int status;

	(void)state;
	assert_int_equal(process_run(&p, NULL, NULL, &status, &e), -ETIMEDOUT);
	assert_string_equal(e.msg, "slow did not finish within 1 s");
	argv_adds(&left, "sh", "-c", "echo asked; sleep 60");
	left.left_when = always;
	assert_int_equal(process_capture(&left, 60000, 100, &r, &e), -EINTR);
	assert_string_equal(r.out, "asked\n");
	assert_true(monotonic_ms() - begin < 20000);
}

/* Runs `text` under a parent of its own, kills that, and says after how long all have gone that
 * held the pipe. */
static int64_t outlived_ms(enum process_bond bond, const char *text)
{
	struct process p = {.argv = script(text), .bond = bond};
	int ends[2];
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct err e = ERR_INIT;
		pid_t pid;
		p.out = ends[1];
		if (process_start(&p, &pid, &e) < 0)
			_exit(1);
		process_wait(pid);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	kill(parent, SIGKILL);
	int64_t begin = monotonic_ms();
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	while (read(ends[0], &c, 1) > 0)
		;
	close(ends[0]);
	return monotonic_ms() - begin;
}

static void a_group_ends_with_us(void **state)
{
	(void)state;
	assert_true(outlived_ms(PROCESS_GROUP, "echo; sleep 60") < 2000);
	assert_true(outlived_ms(PROCESS_GROUP, "(echo; sleep 60) & sleep 60") < 2000);
	/* As mmdebstrap does: it hears the signal, but waits for its own to end. */
	assert_true(
	    outlived_ms(PROCESS_GROUP,
		"trap 'echo heard' TERM; (echo; sleep 60; true) & wait; wait; exit") < 2000);
}

static void ignore(void *ctx, const char *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
}

/* What it says at its end finds a reader, who is not there any more: else that would be its end. */
static void it_has_its_last_words(void **state)
{
	const struct process_sink sink = {ignore, NULL};
	int ends[2];
	char text[10];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct process p = {.argv = script("trap 'echo heard && echo cleaned >&9; exit' "
						   "TERM; echo >&9; sleep 60 & wait; exit")};
		struct err e = ERR_INIT;
		int status;
		dup2(ends[1], 9);
		close(ends[1]);
		_exit(process_run(&p, &sink, NULL, &status, &e) < 0);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 1);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(read(ends[0], text, sizeof(text)), 8);
	assert_memory_equal(text, "cleaned\n", 8);
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	close(ends[0]);
}

static void one_that_hears_nothing_is_killed(void **state)
{
	int64_t ms = outlived_ms(PROCESS_GROUP, "trap '' TERM; (echo; sleep 60) & sleep 60");

	(void)state;
	assert_in_range(ms, 19000, 29000);
}

static void one_beside_us_ends_with_us(void **state)
{
	(void)state;
	assert_true(outlived_ms(PROCESS_BESIDE, "echo; exec sleep 60") < 2000);
}

static void one_that_is_free_goes_on(void **state)
{
	(void)state;
	assert_in_range(outlived_ms(PROCESS_FREE, "echo; exec sleep 1"), 900, 20000);
}

/* The parent may have gone before the child asks for its signal. */
static void a_parent_that_is_gone_already(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		process_end_with(getppid() + 1, SIGKILL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_writes_is_taken),
	    cmocka_unit_test(one_that_is_not_there),
	    cmocka_unit_test(nobody_waits_for_ever),
	    cmocka_unit_test(a_group_ends_with_us),
	    cmocka_unit_test(it_has_its_last_words),
	    cmocka_unit_test(one_that_hears_nothing_is_killed),
	    cmocka_unit_test(one_beside_us_ends_with_us),
	    cmocka_unit_test(one_that_is_free_goes_on),
	    cmocka_unit_test(a_parent_that_is_gone_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
