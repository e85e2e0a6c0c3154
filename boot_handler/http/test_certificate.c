/* Certificates: made once, made anew when they have to be, and the user's judged. That they are
 * good for TLS a real client says: tests/stack/test_operator.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/http/certificate.h"

static char dir[] = "/tmp/certificate-XXXXXX", chain[64], key[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(chain, sizeof(chain), "%s/c.pem", dir);
	snprintf(key, sizeof(key), "%s/k.pem", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(chain);
	unlink(key);
	return rmdir(dir);
}

static int keep(
    const char *listen, const char *hosts, char fingerprint[CERTIFICATE_FINGERPRINT_SIZE])
{
	struct certificate_names names;
	struct certificate c;
	struct err e = ERR_INIT;

	certificate_names(listen, hosts, &names);
	int r = certificate_keep(chain, key, &names, &c, &e);
	certificate_names_clear(&names);
	if (r < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(strlen(c.fingerprint), 95);
	memcpy(fingerprint, c.fingerprint, sizeof(c.fingerprint));
	certificate_clear(&c);
	return r;
}

static void test_made_once_and_anew_for_another_name(void **state)
{
	char first[CERTIFICATE_FINGERPRINT_SIZE], again[CERTIFICATE_FINGERPRINT_SIZE];
	struct stat st;

	(void)state;
	assert_int_equal(keep("192.168.7.1:8080", NULL, first), 1);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(keep("192.168.7.1:8080", NULL, again), 0);
	assert_string_equal(first, again);
	assert_int_equal(keep("0.0.0.0:8080", NULL, again), 0);
	assert_int_equal(keep("[fd00::1]:8080", "lab.example.org", again), 1);
	assert_string_not_equal(first, again);
	assert_int_equal(keep("[fd00::1]:8080", "lab.example.org", first), 0);
	assert_int_equal(keep("127.0.0.1:8080", "other.example.org", first), 1);
}

static void test_a_key_of_another_is_made_anew_and_refused_of_the_user(void **state)
{
	char first[CERTIFICATE_FINGERPRINT_SIZE], again[CERTIFICATE_FINGERPRINT_SIZE], kept[64];
	struct certificate c;
	struct err e = ERR_INIT;

	(void)state;
	(void)keep("192.168.7.1:8080", NULL, first);
	assert_int_equal(certificate_read(chain, key, &c, &e), 0);
	assert_string_equal(c.fingerprint, first);
	certificate_clear(&c);
	snprintf(kept, sizeof(kept), "%s/old", dir);
	assert_int_equal(rename(key, kept), 0);
	assert_int_equal(keep("192.168.7.1:8080", NULL, again), 1);
	assert_string_not_equal(first, again);
	assert_int_equal(rename(kept, key), 0);
	assert_true(certificate_read(chain, key, &c, &e) < 0);
	assert_non_null(strstr(e.msg, "do not belong together"));
	certificate_clear(&c);
}

static void test_what_is_none(void **state)
{
	struct certificate c;
	struct err e = ERR_INIT;
	char fingerprint[CERTIFICATE_FINGERPRINT_SIZE];

	(void)state;
	(void)keep("192.168.7.1:8080", NULL, fingerprint);
	FILE *f = fopen(chain, "w");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
	fclose(f);
	assert_true(certificate_read(chain, key, &c, &e) < 0);
	assert_non_null(strstr(e.msg, chain));
	certificate_clear(&c);
	assert_int_equal(keep("192.168.7.1:8080", NULL, fingerprint), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_made_once_and_anew_for_another_name),
	    cmocka_unit_test(test_a_key_of_another_is_made_anew_and_refused_of_the_user),
	    cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
