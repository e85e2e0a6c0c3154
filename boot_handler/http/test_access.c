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
		int r = access_new(token_file, "127.0.0.1:1", NULL, &access, &e);
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
	assert_int_equal(access_new(token_file, ":1", NULL, &access, &e), -EINVAL);
	longest[256] = '\0';
	write_token(longest);
	assert_int_equal(access_new(token_file, ":1", NULL, &access, &e), 0);
	access_free(access);
	assert_int_equal(access_new("/nonexistent/token", ":1", NULL, &access, &e), -ENOENT);
}

static void requests(void **state)
{
	static const struct {
		const char *host, *origin, *authorization;
		int r;
	} table[] = {
	    {"localhost", NULL, "Bearer " TOKEN, 0},
	    {"LOCALHOST:7480", NULL, "bearer " TOKEN, 0},
	    {"127.0.0.1:7480", NULL, "Bearer  " TOKEN, 0},
	    {"127.9.9.9", NULL, "Bearer " TOKEN, 0},
	    {"[::1]:7480", NULL, "Bearer " TOKEN, 0},
	    {"[::1]", NULL, "Bearer " TOKEN, 0},
	    {"10.0.0.5:8080", NULL, "Bearer " TOKEN, 0},
	    {"lab.example", NULL, "Bearer " TOKEN, 0},
	    {"Other.Example:1", NULL, "Bearer " TOKEN, 0},
	    /* tokens */
	    {"localhost", NULL, NULL, -EACCES},
	    {"localhost", NULL, "", -EACCES},
	    {"localhost", NULL, TOKEN, -EACCES},
	    {"localhost", NULL, "Basic " TOKEN, -EACCES},
	    {"localhost", NULL, "Bearer", -EACCES},
	    {"localhost", NULL, "Bearer ", -EACCES},
	    {"localhost", NULL, "Bearer 0123456789abcdefABCDEG", -EACCES},
	    {"localhost", NULL, "Bearer 0123456789abcdefABCDE", -EACCES},
	    {"localhost", NULL, "Bearer " TOKEN TOKEN, -EACCES},
	    {"localhost", NULL, "Bearer " TOKEN "x", -EACCES},
	    {"localhost", NULL, "Bearer 0123456789ABCDEFabcdef", -EACCES},
	    /* names: right token or not */
	    {NULL, NULL, "Bearer " TOKEN, -EPERM},
	    {"", NULL, "Bearer " TOKEN, -EPERM},
	    {"evil.example", NULL, "Bearer " TOKEN, -EPERM},
	    {"evil.example", NULL, NULL, -EPERM},
	    {"localhost.evil.example", NULL, "Bearer " TOKEN, -EPERM},
	    {"127.0.0.1.evil.example", NULL, "Bearer " TOKEN, -EPERM},
	    {"evil.example:127.0.0.1", NULL, "Bearer " TOKEN, -EPERM},
	    {"localhost:80:evil", NULL, "Bearer " TOKEN, -EPERM},
	    {"[::1", NULL, "Bearer " TOKEN, -EPERM},
	    {"[::1]x", NULL, "Bearer " TOKEN, -EPERM},
	    {"10.0.0.6", NULL, "Bearer " TOKEN, -EPERM},
	    {"lab.exampl", NULL, "Bearer " TOKEN, -EPERM},
	    {"lab.example,other.example", NULL, "Bearer " TOKEN, -EPERM},
	    {"0.0.0.0", NULL, "Bearer " TOKEN, -EPERM},
	    {"user@localhost", NULL, "Bearer " TOKEN, -EPERM},
	    /* pages */
	    {"localhost:7480", "http://localhost:7480", "Bearer " TOKEN, 0},
	    {"localhost:7480", "https://lab.example", "Bearer " TOKEN, 0},
	    {"localhost:7480", "http://other.example:3000", "Bearer " TOKEN, 0},
	    {"localhost:7480", "http://localhost:3000", "Bearer " TOKEN, -EPERM},
	    {"localhost:7480", "http://evil.example", "Bearer " TOKEN, -EPERM},
	    {"localhost:7480", "null", "Bearer " TOKEN, -EPERM},
	    {"localhost:7480", "", "Bearer " TOKEN, -EPERM},
	    {"localhost:7480", "file://", "Bearer " TOKEN, -EPERM},
	    {"localhost:7480", "http://localhost:7480.evil.example", "Bearer " TOKEN, -EPERM},
	};
	struct access *access = NULL;
	struct err e = ERR_INIT;

	(void)state;
	write_token(TOKEN "\n");
	assert_int_equal(
	    access_new(token_file, "10.0.0.5:8080", "lab.example,other.example", &access, &e), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		e.msg[0] = '\0';
		int r = access_check(
		    access, table[i].host, table[i].origin, table[i].authorization, &e);
		if (r != table[i].r)
			fail_msg("case %zu: %d, not %d: %s", i, r, table[i].r, e.msg);
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

		assert_int_equal(access_new(token_file, listens[i], NULL, &access, &e), 0);
		assert_int_equal(
		    access_check(access, "0.0.0.0", NULL, "Bearer " TOKEN, &e), -EPERM);
		assert_int_equal(access_check(access, "[::]", NULL, "Bearer " TOKEN, &e), -EPERM);
		assert_int_equal(access_check(access, "localhost", NULL, "Bearer " TOKEN, &e), 0);
		access_free(access);
	}
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
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
