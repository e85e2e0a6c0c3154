/* test_lab_dir.c - what a lab keeps on this machine, and what is refused before anything is kept.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/lab_dir.h"

static char home[64];

static int setup(void **state)
{
	(void)state;
	strcpy(home, "/tmp/test_lab_dir.XXXXXX");
	assert_non_null(mkdtemp(home));
	setenv("VMLAB_HOME", home, 1);
	unsetenv("VMLAB_IMAGES");
	unsetenv("VMLAB_PORT");
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", home);
	return system(command);
}

static void lab_make(struct lab *lab, const char *images, const char *port)
{
	struct lab_options options = {
	    .name = "l", .vms_dir = home, .images_dir = images, .port = port};
	struct err e = ERR_INIT;

	if (lab_init(lab, &options, &e) < 0)
		fail_msg("%s", e.msg);
}

static void images_that_are_not_there(void **state)
{
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;
	char missing[100];

	(void)state;
	snprintf(missing, sizeof(missing), "%s/missing", home);
	lab_make(&lab, missing, NULL);
	assert_int_equal(lab_need_images(&lab, &e), -ENOENT);
	assert_non_null(strstr(e.msg, missing));
	assert_int_equal(access(missing, F_OK), -1);
	lab_make(&lab, home, NULL);
	assert_int_equal(lab_need_images(&lab, &e), 0);
	/* The default one may be to come. */
	lab_make(&lab, NULL, NULL);
	assert_int_equal(lab_need_images(&lab, &e), 0);
	setenv("VMLAB_IMAGES", missing, 1);
	lab_make(&lab, NULL, NULL);
	assert_int_equal(lab_need_images(&lab, &e), -ENOENT);
	unsetenv("VMLAB_IMAGES");
	lab_clear(&lab);
}

static void port_of_a_running_lab(void **state)
{
	static const struct {
		const char *asked, *has;
		bool running;
		const char *said; /* NULL: it is taken */
	} cases[] = {
	    {NULL, "0", true, NULL},
	    {NULL, "7000", true, NULL},
	    {"7000", "7000", true, NULL},
	    {"auto", "7000", true, NULL},
	    {"auto", "0", true, "on no port"},
	    {"7001", "0", true, "on no port"},
	    {"7001", "7000", true, "on port 7000"},
	    {"auto", "0", false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_container_list_ struct container_list list = CONTAINER_LIST_INIT;
		struct lab lab = LAB_INIT;
		struct err e = ERR_INIT;
		json_t *doc = json_pack("[{s:s, s:s, s:{s:s, s:b}, s:{s:{s:s, s:s, s:s}}}]", "Id",
		    "n", "Name", "/l-net", "State", "Status", "running", "Running",
		    cases[i].running, "Config", "Labels", "vmlab.lab", "l", "vmlab.role", "net",
		    "vmlab.port", cases[i].has);
		assert_int_equal(container_list_parse(doc, &list, &e), 0);
		lab_make(&lab, NULL, cases[i].asked);
		assert_int_equal(lab_adopt(&lab, &list, &e), 0);
		int r = lab_check_network(&lab, &list, &e);
		if (r != (cases[i].said ? -EBUSY : 0) ||
		    (cases[i].said && !strstr(e.msg, cases[i].said)))
			fail_msg("case %zu: %d \"%s\"", i, r, e.msg);
		lab_clear(&lab);
	}
}

static void touch(const char *folder, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void nothing_is_left(void **state)
{
	static const char *const files[] = {"api.sock", "token", "port", "settings", "holders"};
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;
	char hosts[100], command[200];
	int first = -1, second = -1;

	(void)state;
	lab_make(&lab, NULL, NULL);
	assert_int_equal(lab_dir_ensure(&lab, &e), 0);
	assert_int_equal(lab_dir_lock(&lab, "down", 1000, stderr, &first, &e), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		touch(lab.dir, files[i]);
	snprintf(hosts, sizeof(hosts), "%s/known_hosts/l", home);
	snprintf(command, sizeof(command), "mkdir -p %s", hosts);
	assert_int_equal(system(command), 0);
	touch(hosts, "web1");
	keys_forget_hosts(&lab);
	lab_dir_forget(&lab);
	assert_int_equal(access(lab.dir, F_OK), -1);
	assert_int_equal(access(hosts, F_OK), -1);
	/* The next one is not kept waiting by a lock of what is gone, and keeps others out. */
	assert_int_equal(lab_dir_lock(&lab, "up", 0, stderr, &second, &e), 0);
	close(first);
	assert_int_equal(lab_dir_lock(&lab, "up", 0, stderr, &first, &e), -EBUSY);
	close(second);
	lab_dir_forget(&lab);
	/* What is not the lab's stays. */
	assert_int_equal(lab_dir_ensure(&lab, &e), 0);
	touch(lab.dir, "mine");
	lab_dir_forget(&lab);
	assert_int_equal(access(lab.dir, F_OK), 0);
	lab_clear(&lab);
}

/* Who waits for the lock while the lab is removed gets the lab's new one. */
static void lock_of_a_removed_lab(void **state)
{
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;
	int first = -1, second = -1, third = -1;

	(void)state;
	lab_make(&lab, NULL, NULL);
	assert_int_equal(lab_dir_lock(&lab, "down", 0, stderr, &first, &e), 0);
	pid_t child = fork();
	if (child == 0) {
		usleep(300000);
		lab_dir_forget(&lab);
		close(first); /* with the parent's below the lock ends */
		_exit(0);
	}
	close(first);
	assert_int_equal(lab_dir_lock(&lab, "up", 10000, stderr, &second, &e), 0);
	assert_int_equal(lab_dir_lock(&lab, "up", 0, stderr, &third, &e), -EBUSY);
	close(second);
	assert_int_equal(waitpid(child, NULL, 0), child);
	lab_clear(&lab);
}

static void wrong_options(void **state)
{
	static const struct command c = {.name = "up",
	    .args = "[NAME...]",
	    .help = "  --timeout TIME  give up\n  -q, --quiet     silent\n"};
	static const struct {
		const char *word;
		int letter;
		const char *said;
	} cases[] = {
	    {"--timeot", 0, "vmlab up: there is no option --timeot; did you mean --timeout?\n"},
	    {"--timeot=3", 0, "there is no option --timeot; did you mean --timeout?\n"},
	    {"--colour", 0, "there is no option --colour\n"},
	    {"--timeout", 't', "--timeout needs a value\n"},
	    {"--quiet=1", 'q', "--quiet takes no value\n"},
	    {"-z", 'z', "there is no option -z\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[100], word[20], text[400] = "", *argv[] = {(char *)"up", word, NULL};
		snprintf(path, sizeof(path), "%s/stderr", home);
		snprintf(word, sizeof(word), "%s", cases[i].word);
		fflush(stderr);
		int saved = dup(2), fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_true(saved >= 0 && fd >= 0 && dup2(fd, 2) == 2);
		optind = 2;
		optopt = cases[i].letter;
		int status = command_wrong_option(&c, argv);
		fflush(stderr);
		assert_int_equal(dup2(saved, 2), 2);
		assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
		close(saved);
		close(fd);
		assert_int_equal(status, STATUS_USAGE);
		if (!strstr(text, cases[i].said))
			fail_msg("%s: %s", cases[i].word, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(images_that_are_not_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(port_of_a_running_lab, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(lock_of_a_removed_lab, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_options, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
