/* test_engine.c - which client is taken, and what it is told: clients are scripts here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/engine/engine.h"
#include "vmlab/engine/engine_ops.h"

static char top[] = "/tmp/test_engine.XXXXXX";

/* Notes how it was called, then does `what`. */
static void client(const char *folder, const char *name, const char *what)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", top, folder);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", top, folder, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\necho \"$0 $*\" >>%s/calls\n%s\n", top, what);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void set_path(const char *a, const char *b)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s:relative:%s/%s", top, a, top, b);
	setenv("PATH", path, 1);
}

static void expect_found(struct engine *en, const char *folder, const char *version)
{
	struct err e = ERR_INIT;
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", top, folder);
	if (engine_find(en, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(en->client, path);
	assert_string_equal(en->version, version);
	assert_ptr_equal(en->ops, &engine_docker);
}

static void test_find(void **state)
{
	struct engine en = ENGINE_INIT;
	struct err e = ERR_INIT;
	char path[200];

	(void)state;
	unsetenv("VMLAB_ENGINE");
	set_path("none", "nor_here");
	assert_int_equal(engine_find(&en, &e), -ENOENT);
	assert_non_null(strstr(e.msg, engine_rows[0]->program));
	assert_non_null(strstr(e.msg, engine_rows[0]->install));
	assert_ptr_equal(en.ops, engine_rows[0]);

	client("works", "docker", "echo 28.0");
	client("fails", "docker", "echo 'Cannot connect to the Docker daemon at x' >&2; exit 1");
	set_path("fails", "works");
	expect_found(&en, "works/docker", "28.0");

	/* The first one's reason is told. */
	client("denies", "docker", "echo 'permission denied while trying to connect' >&2; exit 1");
	set_path("fails", "denies");
	assert_int_equal(engine_find(&en, &e), -ECONNREFUSED);
	assert_non_null(strstr(e.msg, "Cannot connect to the Docker daemon at x"));
	assert_non_null(strstr(e.msg, engine_docker.start));
	set_path("denies", "fails");
	assert_int_equal(engine_find(&en, &e), -EACCES);
	assert_non_null(strstr(e.msg, "(usually `docker`)"));

	/* One that was named is taken, whatever it is called, and no other. */
	client("fails", "own", "echo 27.1");
	snprintf(path, sizeof(path), "%s/fails/own", top);
	setenv("VMLAB_ENGINE", path, 1);
	expect_found(&en, "fails/own", "27.1");
	snprintf(path, sizeof(path), "%s/fails/docker", top);
	setenv("VMLAB_ENGINE", path, 1);
	set_path("works", "works");
	assert_int_equal(engine_find(&en, &e), -ECONNREFUSED);
	unsetenv("VMLAB_ENGINE");
	engine_clear(&en);
	snprintf(path, sizeof(path), "%s/calls", top);
	assert_int_equal(unlink(path), 0);
}

/* The calls since the last time, without the client's path. */
static void expect_calls(const char *wanted)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	char path[200], prefix[200], said[2000] = "";
	size_t len;

	snprintf(path, sizeof(path), "%s/calls", top);
	snprintf(prefix, sizeof(prefix), "%s/works/docker ", top);
	assert_int_equal(file_read(path, 65536, &text, &len, &e), 0);
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		if (strncmp(line, prefix, strlen(prefix)) == 0) {
			strcat(said, line + strlen(prefix));
			strcat(said, "\n");
		}
	assert_int_equal(unlink(path), 0);
	assert_string_equal(said, wanted);
}

static void test_orders(void **state)
{
	_cleanup_argv_ struct argv names = ARGV_INIT, none = ARGV_INIT;
	struct engine en = ENGINE_INIT;
	struct err e = ERR_INIT;
	char *text = NULL;

	(void)state;
	client("works", "docker",
	    "case $1 in volume) [ $2 = inspect ] && { echo \"Error: No such volume: $5\" >&2; exit 1; } ;; esac\n"
	    "echo \"said\"");
	set_path("works", "works");
	expect_found(&en, "works/docker", "said");
	expect_calls("version --format {{.Server.Version}}\n");

	assert_int_equal(engine_remove_containers(&en, &none, &e), 0);
	assert_int_equal(engine_remove_volumes(&en, &none, &e), 0);
	argv_adds(&names, "a", "b");
	assert_int_equal(engine_start(&en, "a", &e), 0);
	assert_int_equal(engine_remove_containers(&en, &names, &e), 0);
	assert_int_equal(engine_remove_volumes(&en, &names, &e), 0);
	expect_calls("start a\nrm --force --volumes a b\nvolume rm --force a b\n");

	assert_int_equal(engine_volumes(&en, NULL, NULL, &text, &e), 0);
	free(text);
	assert_int_equal(engine_volumes(&en, "l", NULL, &text, &e), 0);
	free(text);
	assert_int_equal(engine_volumes(&en, "l", "v", &text, &e), 0);
	assert_string_equal(text, "said\n");
	free(text);
	assert_int_equal(engine_storage(&en, &text, &e), 0);
	assert_string_equal(text, "said");
	free(text);
	expect_calls("volume ls --quiet\nvolume ls --quiet --filter=label=l\n"
		     "volume ls --quiet --filter=label=l=v\ninfo --format {{.DockerRootDir}}\n");
	assert_int_equal(engine_volume_find(&en, "gone", &e), ENGINE_ABSENT);
	engine_clear(&en);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "/bin/rm -rf %s", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_orders),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
