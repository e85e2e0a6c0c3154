/* test_watcher.c - the program whole: a folder of definitions in, dnsmasq's files out, for as long
 * as it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "lib/base/test_program.h"

#define WEB1 "{\"name\": \"web1\", \"mac\": \"52:54:00:00:00:11\", \"ip\": \"192.168.100.11\"}"
#define WEB2 "{\"name\": \"web2\", \"mac\": \"52:54:00:00:00:12\", \"ip\": \"192.168.100.12\"}"
#define WATCHER "vm_watcher/vm_watcher "
#define FILES "--vms %s/vms --dhcp-hosts %s/dhcp --dns-hosts %s/dns "

static char folder[] = "/tmp/test_watcher.XXXXXX";

static int set_up(void **state)
{
	char vms[64];

	(void)state;
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(vms, sizeof(vms), "%s/vms", folder);
	assert_int_equal(mkdir(vms, 0755), 0);
	file_says(folder, "vms/web1.json", WEB1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void writes_once(void **state)
{
	(void)state;
	expect_program(
	    0, "hosts files written", WATCHER "--once --verbose " FILES, folder, folder, folder);
	file_comes_to_say(folder, "dhcp", "52:54:00:00:00:11", true);
	file_comes_to_say(folder, "dns", "192.168.100.11", true);
	file_comes_to_say(folder, "dns", "web1.pvmlab.local", true);
	expect_program(0, NULL, WATCHER "--once --domain lab.test " FILES, folder, folder, folder);
	file_comes_to_say(folder, "dns", "web1.lab.test", true);
}

static void a_check_says_all_that_is_wrong(void **state)
{
	(void)state;
	expect_program(
	    0, "1 usable definitions, 0 problems", WATCHER "--check --vms %s/vms", folder);
	file_says(folder, "vms/bad.json", "{\"name\": \"bad\",\n \"mac\": \"52:54\"}");
	expect_program(1, "bad.json:2:9: ", WATCHER "--check --vms %s/vms", folder);
	expect_program(
	    1, "1 usable definitions, 1 problems", WATCHER "--check --vms %s/vms", folder);
	expect_program(1, "web1.json:1:", WATCHER "--check --lab 10.0.0.1/24 --vms %s/vms", folder);
}

static void wrong_usage_is_refused(void **state)
{
	static const struct {
		int status;
		const char *says, *words;
	} cases[] = {
	    {0, "Usage: vm_watcher --vms DIR", "--help"},
	    {0, "vm_watcher ", "--version"},
	    {2, "unrecognized option", "--nonsense"},
	    {2, "unexpected argument more", "--check --vms /tmp more"},
	    {2, "--vms is missing", "--check"},
	    {2, "--domain is no DNS domain: a..b", "--vms /tmp --domain a..b"},
	    {2, "--dhcp-hosts and --dns-hosts are needed", "--vms /tmp"},
	    {2, "--pid-file is missing", "--vms /tmp --dhcp-hosts /tmp/a --dns-hosts /tmp/b"},
	    {2, "--bus needs --leases", "--once --vms /tmp --dhcp-hosts a --dns-hosts b --bus c"},
	    {2, "--lab: ", "--check --vms /tmp --lab 10.0.0.0"},
	    {2, "--lab6: ", "--check --vms /tmp --lab6 10.0.0.1/24"},
	    {1, "/no/such", "--check --vms /no/such"},
	    {1, "/no/such/dhcp",
		"--once --vms /tmp --dhcp-hosts /no/such/dhcp --dns-hosts /tmp/x~"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_program(cases[i].status, cases[i].says, WATCHER "%s", cases[i].words);
}

/* Stands in for dnsmasq: a process of that name that counts in a file what it is told. */
static pid_t dnsmasq(const char *leave)
{
	char path[96];
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t set;
		alarm(PROGRAM_SECONDS);
		prctl(PR_SET_NAME, "dnsmasq");
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_BLOCK, &set, NULL);
		snprintf(path, sizeof(path), "%s/%s", folder, leave);
		for (int got, n = 0; sigwait(&set, &got) == 0;) {
			FILE *f = fopen(path, "w");
			fprintf(f, "reloads: %d.", ++n);
			fclose(f);
		}
	}
	snprintf(path, sizeof(path), "%d\n", (int)pid);
	file_says(folder, "pid", path);
	return pid;
}

static pid_t watcher(const char *more)
{
	char words[1024], path[96];

	snprintf(words, sizeof(words), WATCHER FILES "--pid-file %s/pid --holders %s/holders %s",
	    folder, folder, folder, folder, folder, more);
	snprintf(path, sizeof(path), "%s/log", folder);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	pid_t pid = program_start(__FILE__, words, fd);
	close(fd);
	return pid;
}

static void follows_the_definitions_until_it_is_stopped(void **state)
{
	(void)state;
	pid_t of_dnsmasq = dnsmasq("told"), pid = watcher("");

	file_comes_to_say(folder, "dhcp", "192.168.100.11", true);
	file_comes_to_say(folder, "told", "reloads: 1.", true);
	file_says(folder, "vms/web2.json", WEB2);
	file_comes_to_say(folder, "dns", "192.168.100.12", true);
	file_comes_to_say(folder, "told", "reloads: 2.", true);
	/* A broken one keeps what it said before, and is told once. */
	file_says(folder, "vms/web2.json", "{");
	file_comes_to_say(folder, "log", "web2.json:1:", true);
	file_comes_to_say(folder, "log", "its last good definition stays in force", true);
	file_comes_to_say(folder, "dns", "192.168.100.12", true);
	char path[96];
	snprintf(path, sizeof(path), "%s/vms/web2.json", folder);
	assert_int_equal(unlink(path), 0);
	file_comes_to_say(folder, "dns", "192.168.100.12", false);
	kill(pid, SIGTERM);
	assert_int_equal(program_end(pid), 0);
	file_comes_to_say(folder, "log", "stopped", true);
	kill(of_dnsmasq, SIGKILL);
	program_end(of_dnsmasq);
}

/* A machine that has another address than the declared one is called by what it has. */
static void names_follow_the_leases(void **state)
{
	char more[256];

	(void)state;
	file_says(folder, "leases", "4102444800 52:54:00:00:00:11 192.168.100.201 web1 *\n");
	snprintf(more, sizeof(more), "--leases %s/leases --machines %s/machines --bus %s/bus",
	    folder, folder, folder);
	pid_t of_dnsmasq = dnsmasq("told"), pid = watcher(more);

	file_comes_to_say(folder, "dns", "192.168.100.201", true);
	file_says(folder, "leases", "4102444800 52:54:00:00:00:11 192.168.100.202 web1 *\n");
	file_comes_to_say(folder, "dns", "192.168.100.202", true);
	file_comes_to_say(folder, "dns", "192.168.100.201", false);
	/* Another machine holds what is declared for web1: it is to be dropped, and for that
	 * dnsmasq, which is not on the bus, is ended so that it starts anew. */
	file_says(folder, "leases", "4102444800 52:54:00:00:00:99 192.168.100.11 * *\n");
	file_comes_to_say(folder, "log", "dnsmasq is restarted: a lease has to be dropped", true);
	assert_int_equal(program_end(of_dnsmasq), 128 + SIGTERM);
	kill(pid, SIGTERM);
	assert_int_equal(program_end(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(writes_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_check_says_all_that_is_wrong, set_up, tear_down),
	    cmocka_unit_test(wrong_usage_is_refused),
	    cmocka_unit_test_setup_teardown(
		follows_the_definitions_until_it_is_stopped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(names_follow_the_leases, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
