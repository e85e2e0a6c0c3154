/* Who is let in over TCP: tokens, names, origins. */
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

#include "boot_handler/http/access.h"
#include "lib/base/clock.h"

#define TOKEN "0123456789abcdefABCDEF"

static char token_file[] = "/tmp/test_access.XXXXXX";

static void write_token(const char *text)
{
	FILE *f = fopen(token_file, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void tokens(void **state)
{
	static const struct {
		const char *text;
		int r;
	} table[] = {
	    {TOKEN, 0},
	    {TOKEN "\n", 0},
	    {TOKEN "\r\n", 0},
	    {TOKEN "\nanother line\n", 0},
	    {"", -EINVAL},
	    {"\n" TOKEN, -EINVAL},
	    {"0123456789abcde", -EINVAL},
	    {"0123456789 abcdef", -EINVAL},
	    {"0123456789\tabcdef", -EINVAL},
	    {"0123456789abcd\xc3\xa9", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct access *access = NULL;
		struct err e = ERR_INIT;

		write_token(table[i].text);
		int r = access_new(token_file, "127.0.0.1:1", NULL, NULL, &access, &e);
		if (r != table[i].r || (r < 0) != (e.msg[0] != '\0'))
			fail_msg("case %zu: %d %s", i, r, e.msg);
		access_free(access);
	}
	char longest[300];
	struct access *access;
	struct err e = ERR_INIT;

	memset(longest, 'a', sizeof(longest));
	longest[257] = '\0';
	write_token(longest);
	assert_int_equal(access_new(token_file, ":1", NULL, NULL, &access, &e), -EINVAL);
	longest[256] = '\0';
	write_token(longest);
	assert_int_equal(access_new(token_file, ":1", NULL, NULL, &access, &e), 0);
	access_free(access);
	assert_int_equal(access_new("/nonexistent/token", ":1", NULL, NULL, &access, &e), -ENOENT);
}

static void requests(void **state)
{
	static const struct {
		const char *host, *origin, *authorization;
		int r;
		enum role role;
	} table[] = {
	    {"localhost", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"LOCALHOST:7480", NULL, "bearer " TOKEN, 0, ROLE_OWNER},
	    {"127.0.0.1:7480", NULL, "Bearer  " TOKEN, 0, ROLE_OWNER},
	    {"127.9.9.9", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"[::1]:7480", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"[::1]", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"10.0.0.5:8080", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"lab.example", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"Other.Example:1", NULL, "Bearer " TOKEN, 0, ROLE_OWNER},
	    /* tokens */
	    {"localhost", NULL, NULL, 0, ROLE_NOBODY},
	    {"localhost", NULL, "", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, TOKEN, -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Basic " TOKEN, -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer ", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer 0123456789abcdefABCDEG", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer 0123456789abcdefABCDE", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer " TOKEN TOKEN, -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer " TOKEN "x", -EACCES, ROLE_NOBODY},
	    {"localhost", NULL, "Bearer 0123456789ABCDEFabcdef", -EACCES, ROLE_NOBODY},
	    /* names: right token or not */
	    {NULL, NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"evil.example", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"evil.example", NULL, NULL, -EPERM, ROLE_NOBODY},
	    {"localhost.evil.example", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"127.0.0.1.evil.example", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"evil.example:127.0.0.1", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:80:evil", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"[::1", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"[::1]x", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"10.0.0.6", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"lab.exampl", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"lab.example,other.example", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"0.0.0.0", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"user@localhost", NULL, "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    /* pages */
	    {"localhost:7480", "http://localhost:7480", "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"localhost:7480", "https://lab.example", "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"localhost:7480", "http://other.example:3000", "Bearer " TOKEN, 0, ROLE_OWNER},
	    {"localhost:7480", "http://localhost:3000", "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:7480", "http://evil.example", "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:7480", "null", "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:7480", "", "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:7480", "file://", "Bearer " TOKEN, -EPERM, ROLE_NOBODY},
	    {"localhost:7480", "http://localhost:7480.evil.example", "Bearer " TOKEN, -EPERM,
		ROLE_NOBODY},
	};
	struct access *access = NULL;
	struct err e = ERR_INIT;

	(void)state;
	write_token(TOKEN "\n");
	assert_int_equal(
	    access_new(token_file, "10.0.0.5:8080", "lab.example,other.example", NULL, &access, &e),
	    0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		e.msg[0] = '\0';
		struct access_asked asked = {.host = table[i].host,
		    .origin = table[i].origin,
		    .authorization = table[i].authorization};
		enum role role;
		int r = access_check(access, &asked, &role, &e);
		if (r != table[i].r || role != table[i].role)
			fail_msg(
			    "case %zu: %d, not %d, role %d: %s", i, r, table[i].r, role, e.msg);
		assert_true((r < 0) == (e.msg[0] != '\0'));
		assert_null(strstr(e.msg, TOKEN));
	}
	access_free(access);
}

static void wildcards_are_no_names(void **state)
{
	static const char *const listens[] = {"0.0.0.0:8080", "[::]:8080", ":8080"};

	(void)state;
	write_token(TOKEN);
	for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
		struct access *access = NULL;
		struct err e = ERR_INIT;

		struct access_asked asked = {.authorization = "Bearer " TOKEN};
		enum role role;

		assert_int_equal(access_new(token_file, listens[i], NULL, NULL, &access, &e), 0);
		asked.host = "0.0.0.0";
		assert_int_equal(access_check(access, &asked, &role, &e), -EPERM);
		asked.host = "[::]";
		assert_int_equal(access_check(access, &asked, &role, &e), -EPERM);
		asked.host = "localhost";
		assert_int_equal(access_check(access, &asked, &role, &e), 0);
		access_free(access);
	}
}

/* A session lets in, and orders only from a page of this very listener; without a token nobody has
 * one. */
static void sessions_of_browsers(void **state)
{
	static const struct {
		const char *host, *origin, *authorization;
		bool cookie, changes;
		int r;
		enum role role;
	} table[] = {
	    {"127.0.0.1:8081", NULL, NULL, true, false, 0, ROLE_ADMIN},
	    {"127.0.0.1:8081", "http://127.0.0.1:8081", NULL, true, true, 0, ROLE_ADMIN},
	    {"[::1]:8081", "http://[::1]:8081", NULL, true, true, 0, ROLE_ADMIN},
	    {"127.0.0.1:8081", NULL, NULL, false, false, 0, ROLE_NOBODY},
	    {"127.0.0.1:8081", NULL, NULL, true, true, -EPERM, ROLE_ADMIN},
	    {"127.0.0.1:8081", "null", NULL, true, true, -EPERM, ROLE_NOBODY},
	    {"127.0.0.1:8081", "http://127.0.0.1:3000", NULL, true, true, -EPERM, ROLE_NOBODY},
	    {"127.0.0.1:8081", "http://localhost:8081", NULL, true, true, -EPERM, ROLE_NOBODY},
	    {"127.0.0.1:8081", "http://evil.example", NULL, true, false, -EPERM, ROLE_NOBODY},
	    {"evil.example", NULL, NULL, true, false, -EPERM, ROLE_NOBODY},
	    /* A host that was named for the API's sake has no say in what a session orders. */
	    {"127.0.0.1:8081", "http://lab.example", NULL, true, true, -EPERM, ROLE_ADMIN},
	    {"127.0.0.1:8081", NULL, "Bearer ", true, false, -EACCES, ROLE_NOBODY},
	    {"127.0.0.1:8081", NULL, "Bearer " TOKEN, true, false, -EACCES, ROLE_NOBODY},
	};
	char key[sizeof(token_file) + 4];
	struct sessions *sessions = NULL;
	struct access *access = NULL;
	struct err e = ERR_INIT;

	(void)state;
	snprintf(key, sizeof(key), "%s.key", token_file);
	assert_int_equal(sessions_new(key, &sessions, &e), 0);
	assert_int_equal(access_new(NULL, "", "lab.example", sessions, &access, &e), 0);
	struct session_time now = session_now();
	char *cookie = sessions_cookie(sessions, ROLE_ADMIN, false, &now);
	assert_non_null(cookie);
	cookie[strcspn(cookie, ";")] = '\0';
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct access_asked asked = {.host = table[i].host,
		    .origin = table[i].origin,
		    .authorization = table[i].authorization,
		    .cookie = table[i].cookie ? cookie : NULL,
		    .changes = table[i].changes};
		enum role role;
		int r = access_check(access, &asked, &role, &e);
		if (r != table[i].r || role != table[i].role)
			fail_msg(
			    "case %zu: %d, not %d, role %d: %s", i, r, table[i].r, role, e.msg);
	}
	free(cookie);
	access_free(access);
	sessions_free(sessions);
	unlink(key);
}

static int setup(void **state)
{
	(void)state;
	int fd = mkstemp(token_file);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(token_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(requests),
	    cmocka_unit_test(wildcards_are_no_names),
	    cmocka_unit_test(sessions_of_browsers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
