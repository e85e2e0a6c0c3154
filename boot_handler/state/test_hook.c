#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/hook.h"
#include "boot_handler/state/state.h"
#include "lib/base/test_file.h"

static char dir[] = "/tmp/test_hook.XXXXXX";

static struct state *open_state(void)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	if (state_open(file_in(dir, "state.db"), &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static struct hook make(const char *name)
{
	struct hook hook = {.created_ms = 1000, .cursor = 7};

	snprintf(hook.name, sizeof(hook.name), "%s", name);
	strcpy(hook.url, "http://127.0.0.1:8000/");
	strcpy(hook.secret, "0123456789abcdef");
	return hook;
}

static void count_call(void *ctx)
{
	++*(unsigned *)ctx;
}

static void those_that_there_are(void **state)
{
	struct state *s = open_state();
	struct hooks *t = state_hooks(s);
	struct hook hook = make("ci"), found, all[HOOKS_MAX];
	struct err e = ERR_INIT;
	unsigned calls = 0;

	(void)state;
	hooks_on_change(t, count_call, &calls);
	assert_int_equal(hooks_add(t, &hook, &e), 0);
	assert_int_equal(hook.id, 1);
	assert_int_equal(hooks_add(t, &hook, &e), -EBUSY);
	for (int i = 1; i < HOOKS_MAX; i++) {
		char name[20];
		snprintf(name, sizeof(name), "other%d", i);
		hook = make(name);
		assert_int_equal(hooks_add(t, &hook, &e), 0);
	}
	hook = make("one-too-many");
	assert_int_equal(hooks_add(t, &hook, &e), -EBUSY);
	assert_int_equal(hooks_all(t, all), HOOKS_MAX);
	assert_string_equal(all[0].name, "ci");
	assert_int_equal(hooks_remove(t, "other1", &e), 0);
	assert_int_equal(hooks_remove(t, "other1", &e), -ENOENT);
	assert_int_equal(hooks_find(t, "other1", &found, &e), -ENOENT);
	assert_int_equal(hooks_all(t, all), HOOKS_MAX - 1);
	assert_string_equal(all[1].name, "other2");
	assert_int_equal(calls, HOOKS_MAX + 1);
	assert_int_equal(hooks_test(t, "ci", &e), 0);
	assert_int_equal(calls, HOOKS_MAX + 2);
	/* Its place is another's once its row is gone. */
	assert_int_equal(state_save(s, &e), 0);
	assert_int_equal(hooks_add(t, &hook, &e), 0);
	state_close(s);
}

static void kept_over_restarts(void **state)
{
	struct state *s = open_state();
	struct hook hook, found;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(hooks_find(state_hooks(s), "ci", &hook, &e), 0);
	hook.cursor = 99;
	hook.delivered = 3;
	hook.status = 500;
	hook.tries = 4;
	hook.ended = true;
	strcpy(hook.error, "it said no");
	assert_int_equal(hooks_test(state_hooks(s), "ci", &e), 0);
	state_keep_hook(s, &hook, true);
	/* A test that was asked for meanwhile is still to be made. */
	assert_int_equal(hooks_find(state_hooks(s), "ci", &found, &e), 0);
	assert_int_equal(found.tests, hook.tests + 1);
	assert_int_equal(hooks_remove(state_hooks(s), "other2", &e), 0);
	state_close(s);
	s = open_state();
	assert_int_equal(hooks_find(state_hooks(s), "ci", &found, &e), 0);
	assert_int_equal(found.id, 1);
	assert_int_equal(found.cursor, 99);
	assert_int_equal(found.delivered, 3);
	assert_int_equal(found.status, 500);
	assert_string_equal(found.error, "it said no");
	assert_string_equal(found.secret, "0123456789abcdef");
	assert_true(found.ended);
	assert_int_equal(found.tests, 0);
	assert_int_equal(found.tries, 0);
	assert_int_equal(hooks_find(state_hooks(s), "other2", &found, &e), -ENOENT);
	assert_false(hooks_by_id(state_hooks(s), 3, &found));
	/* What was removed comes not back by who still sends. */
	hook.id = 3;
	state_keep_hook(s, &hook, true);
	assert_false(hooks_by_id(state_hooks(s), 3, &found));
	state_close(s);
}

static void urls(void **state)
{
	static const char *const good[] = {"http://a",
	    "https://ci.example.org/hooks/vmlab?x=1&y=%20", "http://127.0.0.1:8000/",
	    "http://[::1]:8000/x", "HTTPS://A.B/", "http://a?x", "https://h/a@b",
	    "http://a_b.c:65535"};
	static const char *const bad[] = {"", "http://", "https:///x", "ftp://a/",
	    "file:///etc/passwd", "gopher://a/", "//a/", "http:a", "http://a b/", "http://a/\n",
	    "http://a/\r\nX: y", "http://user@a/", "http://user:word@a/", "http://a:0/",
	    "http://a:65536/", "http://a:/", "http://a:8x/", "http://[::1/", "http://[::g]/",
	    "http://[::1]x/", "http://a/#b", "http://\xc3\xa4/", "http://a\\b/", "http://a/\x7f",
	    "javascript:alert(1)", " http://a/", "http://a:80:80/", "http://?x", "unix:/run/x"};
	char origin[HOOK_URL_SIZE], longest[HOOK_URL_SIZE + 1];
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (hook_url_check(good[i], &e) < 0)
			fail_msg("%s: %s", good[i], e.msg);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		e = (struct err)ERR_INIT;
		if (hook_url_check(bad[i], &e) != -EINVAL || !e.msg[0])
			fail_msg("\"%s\" is none", bad[i]);
	}
	memset(longest, 'a', HOOK_URL_SIZE);
	memcpy(longest, "http://", 7);
	longest[HOOK_URL_SIZE] = '\0';
	assert_int_equal(hook_url_check(longest, &e), -EINVAL);
	longest[HOOK_URL_SIZE - 1] = '\0';
	assert_int_equal(hook_url_check(longest, &e), 0);
	hook_url_origin("https://hooks.example.org:8443/services/SECRET?a=b", origin);
	assert_string_equal(origin, "https://hooks.example.org:8443");
	hook_url_origin("http://a?SECRET", origin);
	assert_string_equal(origin, "http://a");
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(those_that_there_are),
	    cmocka_unit_test(kept_over_restarts),
	    cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
