/* Control groups of a kernel before 5.14, which has a list of processes and no cgroup.kill; those
 * of a real one: tests/installer/test_agent_script.py. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/test_folder.h"
#include "os_installer/base/cgroup.h"

static void by_its_list_all_are_ended(void **state)
{
	pid_t child[2];
	char text[64];
	unsigned left;
	int status;

	(void)state;
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0)
			for (;;)
				pause();
	}
	snprintf(text, sizeof(text), "%d\n%d\n", child[0], child[1]);
	put("cgroup.procs", text);
	assert_int_equal(cgroup_end(at("."), 50, &left), 2);
	assert_int_equal(left, 2); /* a file forgets nobody */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	put("cgroup.procs", "");
	assert_int_equal(cgroup_end(at("."), 50, &left), 0);
	assert_int_equal(left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(by_its_list_all_are_ended)};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
