#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/test_folder.h"
#include "lib/net/lease_file.h"

#define DUID "00:01:00:01:2f:00:00:00:52:54:00:00:00:0a"
#define SERVER "00:01:00:01:2e:11:22:33:02:56:0a:d5:00:01"

static const struct {
	const char *leases, *journal, *all;
} merges[] = {
    {"", "", ""},
    {"5 52:54:00:00:00:0a 10.0.0.1 a *\n", "", "5 52:54:00:00:00:0a 10.0.0.1 a *\n"},
    {"", "5 52:54:00:00:00:0a 10.0.0.1 * 01:52\n", "5 52:54:00:00:00:0a 10.0.0.1 * 01:52\n"},
    /* The last of an address counts, at the place of its first; "del" takes it away. */
    {"5 52:54:00:00:00:0a 10.0.0.1 a *\n6 52:54:00:00:00:0b 10.0.0.2 b *\n",
	"7 52:54:00:00:00:0c 10.0.0.1 c *\ndel 10.0.0.2\ndel 10.0.0.9\n",
	"7 52:54:00:00:00:0c 10.0.0.1 c *\n"},
    {"", "5 52:54:00:00:00:0a 10.0.0.1 a *\ndel 10.0.0.1\n6 52:54:00:00:00:0a 10.0.0.1 a *\n",
	"6 52:54:00:00:00:0a 10.0.0.1 a *\n"},
    /* Those of IPv6 come behind the server's DUID, of which there is one. */
    {"5 7 fd00::1 a " DUID "\n",
	"duid 01\nduid " SERVER "\n6 T8 fd00::2 * " DUID "\n5 52:54:00:00:00:0a 10.0.0.1 a *\n",
	"5 52:54:00:00:00:0a 10.0.0.1 a *\nduid " SERVER "\n5 7 fd00::1 a " DUID
	"\n6 T8 fd00::2 * " DUID "\n"},
    /* What is no whole line is left out. */
    {"5 52:54:00:00:00:0a 10.0.0.1\n\n \n5 x\n", "del \n5 52:54:00:00:00:0b 10.0.0.2 b *\n5 52:54",
	"5 52:54:00:00:00:0b 10.0.0.2 b *\n"},
};

static void the_last_of_an_address_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
		_cleanup_free_ char *all = NULL;
		struct err e = ERR_INIT;
		size_t len;

		assert_int_equal(
		    lease_file_merge(merges[i].leases, merges[i].journal, &all, &len, &e), 0);
		assert_string_equal(all, merges[i].all);
		assert_int_equal(len, strlen(all));
	}
}

static void note(const struct lease_told *told)
{
	struct err e = ERR_INIT;

	if (lease_file_note(at("journal"), told, &e) < 0)
		fail_msg("%s", e.msg);
}

static char *text_of(const char *name)
{
	struct err e = ERR_INIT;
	char *text;
	size_t len;

	if (file_read(at(name), LEASE_FILE_MAX_BYTES, &text, &len, &e) < 0)
		fail_msg("%s", e.msg);
	return text;
}

static const struct {
	struct lease_told told;
	const char *noted;
} notes[] = {
    {{.action = "add", .mac = "52:54:00:00:00:0a", .ip = "10.0.0.1", .ends = "5", .name = "a.lan"},
	"5 52:54:00:00:00:0a 10.0.0.1 a *\n"},
    {{.action = "old", .mac = "06-52:54:00:00:00:0a", .ip = "10.0.0.1", .client_id = "01:52"},
	"0 06-52:54:00:00:00:0a 10.0.0.1 * 01:52\n"},
    {{.action = "add",
	 .mac = DUID,
	 .ip = "fd00::1",
	 .ends = "9",
	 .name = "a",
	 .client_id = DUID,
	 .iaid = "T7",
	 .server_duid = SERVER},
	"duid " SERVER "\n9 T7 fd00::1 a " DUID "\n"},
    {{.action = "del", .mac = "52:54:00:00:00:0a", .ip = "10.0.0.1"}, "del 10.0.0.1\n"},
    /* What would make more words or lines of one, and what is no lease. */
    {{.action = "add", .mac = "m", .ip = "10.0.0.1", .name = "a b", .client_id = "c\n1 2 3 4 5"},
	"0 m 10.0.0.1 * *\n"},
    {{.action = "add", .mac = "m", .ip = "10.0.0.1", .name = ".lan"}, "0 m 10.0.0.1 * *\n"},
    {{.action = "tftp", .mac = "12", .ip = "10.0.0.1"}, ""},
    {{.action = "add", .mac = "m", .ip = "nowhere"}, ""},
    {{.action = "add", .mac = "m", .ip = "fd00::1"}, ""}, /* IPv6 has an IAID */
    {{.action = "add"}, ""},
};

static void what_is_told_is_noted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		put("journal", "");
		note(&notes[i].told);
		_cleanup_free_ char *text = text_of("journal");
		assert_string_equal(text, notes[i].noted);
	}
}

/* Several write, as the scripts of a dnsmasq that was killed and of the next, while one folds. */
static void nothing_is_lost_between_those_who_write_and_who_folds(void **state)
{
	enum { WRITERS = 4, EACH = 250 };
	char ip[32];
	struct lease_told told = {
	    .action = "add", .mac = "52:54:00:00:00:0a", .ip = ip, .ends = "5"};
	struct err e = ERR_INIT;
	int status, left = WRITERS;

	(void)state;
	put("journal", "");
	put("leases", "");
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0) {
			for (int k = 0; k < EACH; k++) {
				snprintf(ip, sizeof(ip), "10.%d.%d.1", i, k);
				note(&told);
			}
			_exit(0);
		}
	while (left > 0) {
		assert_true(lease_file_fold(at("leases"), at("journal"), &e) >= 0);
		while (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			left--;
		}
	}
	assert_true(lease_file_fold(at("leases"), at("journal"), &e) >= 0);
	assert_int_equal(lease_file_fold(at("leases"), at("journal"), &e), 1);
	_cleanup_free_ char *text = NULL;
	size_t len, lines = 0;
	assert_int_equal(lease_file_read(at("leases"), at("journal"), &text, &len, &e), 0);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, WRITERS * EACH);
}

static void without_a_journal_it_is_said(void **state)
{
	const struct lease_told told = {.action = "add", .mac = "m", .ip = "10.0.0.1"};
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	unlink(at("journal"));
	assert_int_equal(lease_file_note(at("journal"), &told, &e), -ENOENT);
	put("leases", merges[1].leases);
	assert_int_equal(lease_file_read(at("leases"), at("journal"), &text, &len, &e), 0);
	assert_string_equal(text, merges[1].leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_last_of_an_address_counts),
	    cmocka_unit_test(what_is_told_is_noted),
	    cmocka_unit_test(nothing_is_lost_between_those_who_write_and_who_folds),
	    cmocka_unit_test(without_a_journal_it_is_said),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
