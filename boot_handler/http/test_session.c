/* Sessions: links that work once and for a minute, cookies that nobody else can make. */
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

#include "boot_handler/http/session.h"

#define NOW 1738324800250

static char folder[] = "/tmp/test_session.XXXXXX";
static char key_file[60];

static struct sessions *opened(void)
{
	struct sessions *s = NULL;
	struct err e = ERR_INIT;

	if (sessions_new(key_file, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void invite(
    struct sessions *s, enum role role, int64_t now, char secret[SESSION_SECRET_SIZE])
{
	struct err e = ERR_INIT;

	assert_int_equal(sessions_invite(s, role, now, secret, &e), 0);
}

#define BOOT 0x1a2b3c4d

/* On both clocks. */
static struct session_time at(int64_t wall_ms)
{
	return (struct session_time){wall_ms, 5000 + wall_ms - NOW, BOOT};
}

static enum role role_at(struct sessions *s, const char *cookies, int64_t wall_ms)
{
	struct session_time now = at(wall_ms);

	return sessions_role(s, cookies, &now);
}

/* "name=value" of a Set-Cookie header, as a browser sends it back. */
static char *sent_back(struct sessions *s, enum role role, int64_t wall_ms)
{
	struct session_time now = at(wall_ms);
	char *header = sessions_cookie(s, role, false, &now);

	assert_non_null(header);
	assert_non_null(strstr(header, "; HttpOnly; SameSite=Strict"));
	header[strcspn(header, ";")] = '\0';
	return header;
}

static void test_link_once_and_for_a_minute(void **state)
{
	char one[SESSION_SECRET_SIZE], two[SESSION_SECRET_SIZE], late[SESSION_SECRET_SIZE];
	struct sessions *s = opened();

	(void)state;
	invite(s, ROLE_ADMIN, 1000, one);
	invite(s, ROLE_READ, 1000, two);
	invite(s, ROLE_READ, 1000, late);
	assert_string_not_equal(one, two);
	assert_int_equal(sessions_admit(s, one, 1000), ROLE_ADMIN);
	assert_int_equal(sessions_admit(s, one, 1000), ROLE_NOBODY);
	assert_int_equal(sessions_admit(s, two, 1000 + SESSION_LINK_MS - 1), ROLE_READ);
	assert_int_equal(sessions_admit(s, late, 1000 + SESSION_LINK_MS), ROLE_NOBODY);
	assert_int_equal(sessions_admit(s, late, 1000), ROLE_NOBODY);
	assert_int_equal(sessions_admit(s, "", 1000), ROLE_NOBODY);
	assert_int_equal(
	    sessions_admit(
		s, "0000000000000000000000000000000000000000000000000000000000000000", 1000),
	    ROLE_NOBODY);
	sessions_free(s);
}

static void test_links_are_bounded(void **state)
{
	char first[SESSION_SECRET_SIZE], last[SESSION_SECRET_SIZE];
	struct sessions *s = opened();

	(void)state;
	invite(s, ROLE_READ, 0, first);
	for (int i = 1; i <= SESSION_LINKS_MAX; i++)
		invite(s, ROLE_ADMIN, i, last);
	assert_int_equal(sessions_admit(s, first, 100), ROLE_NOBODY);
	assert_int_equal(sessions_admit(s, last, 100), ROLE_ADMIN);
	sessions_free(s);
}

static void test_cookie(void **state)
{
	struct sessions *s = opened();
	char *admin = sent_back(s, ROLE_ADMIN, NOW), *read = sent_back(s, ROLE_READ, NOW);
	char many[1000];

	(void)state;
	assert_int_equal(role_at(s, admin, NOW), ROLE_ADMIN);
	assert_int_equal(role_at(s, read, NOW), ROLE_READ);
	assert_int_equal(role_at(s, read, NOW + SESSION_MS - 1), ROLE_READ);
	assert_int_equal(role_at(s, read, NOW + SESSION_MS), ROLE_NOBODY);
	snprintf(many, sizeof(many), "theme=dark; other=1; %s; x=y", read);
	assert_int_equal(role_at(s, many, NOW), ROLE_READ);
	snprintf(many, sizeof(many), "%s%s", "x", admin);
	assert_int_equal(role_at(s, many, NOW), ROLE_NOBODY);
	assert_int_equal(role_at(s, NULL, NOW), ROLE_NOBODY);
	assert_int_equal(role_at(s, "", NOW), ROLE_NOBODY);
	assert_int_equal(role_at(s, ";;; ;", NOW), ROLE_NOBODY);
	free(admin);
	free(read);
	sessions_free(s);
}

/* A clock that is set back, or forth, changes the end of no session, but over a boot, after which
 * there is no other. */
static void test_a_clock_that_is_set(void **state)
{
	static const struct {
		int64_t wall_ms, up_ms;
		uint32_t boot;
		enum role role;
	} cases[] = {
	    {NOW - SESSION_MS, 5000 + 1, BOOT, ROLE_ADMIN},
	    {NOW - SESSION_MS, 5000 + SESSION_MS - 1, BOOT, ROLE_ADMIN},
	    {NOW - SESSION_MS, 5000 + SESSION_MS, BOOT, ROLE_NOBODY},
	    {NOW + 2 * SESSION_MS, 5000 + 1, BOOT, ROLE_ADMIN},
	    {NOW + 1, 1, BOOT + 1, ROLE_ADMIN},
	    {NOW + SESSION_MS, 1, BOOT + 1, ROLE_NOBODY},
	    {NOW + SESSION_MS, 1, 0, ROLE_NOBODY},
	};
	struct sessions *s = opened();
	char *cookie = sent_back(s, ROLE_ADMIN, NOW);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct session_time now = {cases[i].wall_ms, cases[i].up_ms, cases[i].boot};
		if (sessions_role(s, cookie, &now) != cases[i].role)
			fail_msg("case %zu", i);
	}
	struct session_time real = session_now();
	assert_true(real.boot != 0 && real.up_ms > 0 && real.wall_ms > NOW);
	free(cookie);
	sessions_free(s);
}

/* One byte of it another, one less, one more, and another's role over it. */
static void test_cookie_nobody_else_makes(void **state)
{
	struct sessions *s = opened();
	char *cookie = sent_back(s, ROLE_READ, NOW);
	size_t len = strlen(cookie);

	(void)state;
	for (size_t i = strcspn(cookie, "=") + 1; i < len; i++) {
		char was = cookie[i];

		cookie[i] = was == '0' ? '1' : '0';
		assert_int_equal(role_at(s, cookie, NOW), ROLE_NOBODY);
		cookie[i] = was;
	}
	for (size_t i = 0; i < len; i++) {
		char *cut = strndup(cookie, i);
		assert_int_equal(role_at(s, cut, NOW), ROLE_NOBODY);
		free(cut);
	}
	char *longer = NULL, *raised = NULL;
	const char *equals = strchr(cookie, '='), *dot = strchr(cookie, '.');
	assert_true(asprintf(&longer, "%s0", cookie) > 0);
	assert_int_equal(role_at(s, longer, NOW), ROLE_NOBODY);
	assert_true(asprintf(&raised, "%.*sadmin%s", (int)(equals + 1 - cookie), cookie, dot) > 0);
	assert_int_equal(role_at(s, raised, NOW), ROLE_NOBODY);
	free(longer);
	free(raised);
	free(cookie);
	sessions_free(s);
}

static void test_over_a_restart_and_ended(void **state)
{
	struct sessions *s = opened();
	char *cookie = sent_back(s, ROLE_ADMIN, NOW);
	char secret[SESSION_SECRET_SIZE];
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	sessions_free(s);
	assert_int_equal(stat(key_file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	s = opened();
	assert_int_equal(role_at(s, cookie, NOW), ROLE_ADMIN);
	invite(s, ROLE_ADMIN, 0, secret);
	assert_int_equal(sessions_end(s, &e), 0);
	assert_int_equal(role_at(s, cookie, NOW), ROLE_NOBODY);
	assert_int_equal(sessions_admit(s, secret, 1), ROLE_NOBODY);
	char *next = sent_back(s, ROLE_READ, NOW);
	assert_int_equal(role_at(s, next, NOW), ROLE_READ);
	free(next);
	free(cookie);
	sessions_free(s);
}

/* A key that another program, or a full disk, has cut. */
static void test_key_that_is_none(void **state)
{
	FILE *f = fopen(key_file, "w");

	(void)state;
	assert_non_null(f);
	fputs("short", f);
	assert_int_equal(fclose(f), 0);
	struct sessions *s = opened();
	char *cookie = sent_back(s, ROLE_READ, NOW);
	assert_int_equal(role_at(s, cookie, NOW), ROLE_READ);
	free(cookie);
	sessions_free(s);
}

static int begin(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(key_file, sizeof(key_file), "%s/key", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(key_file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_link_once_and_for_a_minute),
	    cmocka_unit_test(test_links_are_bounded),
	    cmocka_unit_test(test_cookie),
	    cmocka_unit_test(test_a_clock_that_is_set),
	    cmocka_unit_test(test_cookie_nobody_else_makes),
	    cmocka_unit_test(test_over_a_restart_and_ended),
	    cmocka_unit_test(test_key_that_is_none),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
