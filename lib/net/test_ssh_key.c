/* authorized_keys as people write them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/ssh_key.h"

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"
#define KEY "ssh-ed25519 " BLOB

static void test_lines(void **state)
{
	static const char *const good[] = {KEY, KEY " ann@home", KEY "\tann", "no-pty " KEY,
	    "from=\"10.0.0.0/8,!10.1.*\",command=\"echo \\\"a b\\\"\" " KEY " ann",
	    "restrict,environment=\"A=b c\" " KEY, "cert-authority " KEY};
	static const char *const bad[] = {"", "x", "ssh-ed25519", "ssh-ed25519 AAAA",
	    "ssh-rsa " BLOB, "ssh-ed25519 " BLOB "A", "a b " KEY, "from=\"open " KEY,
	    "ssh-ed25519 " BLOB "\x01", "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-dss " BLOB};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!ssh_key_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (ssh_key_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_non_null(strstr(ssh_key_complaint(bad[9]), "private key"));
	assert_non_null(strstr(ssh_key_complaint(bad[10]), "DSA"));
	assert_non_null(
	    strstr(ssh_key_complaint("---- BEGIN SSH2 PUBLIC KEY ----"), "ssh-keygen -i"));
	assert_non_null(strstr(ssh_key_complaint("x"), "no SSH public key"));
}

/* A host's own key, as a machine tells it. */
static void test_bare(void **state)
{
	static const char *const bad[] = {"", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-rsa " BLOB,
	    KEY "=\n", KEY ";", "command=\"x\" " KEY, " " KEY};
	char out[sizeof(KEY)];

	(void)state;
	assert_true(ssh_key_bare(KEY, out, sizeof(out)));
	assert_string_equal(out, KEY);
	assert_true(ssh_key_bare("ssh-ed25519 \t" BLOB "\r\nssh-rsa x", out, sizeof(out)));
	assert_string_equal(out, KEY);
	assert_true(ssh_key_bare(KEY " root@web1", out, sizeof(out)));
	assert_string_equal(out, KEY);
	assert_false(ssh_key_bare(KEY, out, sizeof(out) - 1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (ssh_key_bare(bad[i], out, sizeof(out)))
			fail_msg("taken: %s", bad[i]);
}

struct seen {
	char text[1000];
	int numbers;
};

static void note(void *ctx, int number, const char *line)
{
	struct seen *s = ctx;

	s->numbers = s->numbers * 10 + number;
	strcat(s->text, line);
	strcat(s->text, "|");
}

static void test_files(void **state)
{
	char text[] = "\xef\xbb\xbf" KEY " first\r\n\r\n# " KEY "\r\n  no-pty " KEY " \t\r\n" KEY;
	struct seen seen = {.numbers = 0};

	(void)state;
	assert_null(ssh_key_file_useless(text, strlen(text)));
	ssh_key_each_line(text, note, &seen);
	assert_string_equal(seen.text, KEY " first|no-pty " KEY "|" KEY "|");
	assert_int_equal(seen.numbers, 145);
	assert_non_null(strstr(ssh_key_file_useless("\xff\xfes\0s\0", 6), "UTF-16"));
	assert_non_null(strstr(ssh_key_file_useless("ssh\0", 4), "NUL"));
	assert_null(ssh_key_file_useless("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_bare),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
