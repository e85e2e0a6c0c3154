#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/report.h"

static int parse(const char *text, struct report *out)
{
	struct err e = ERR_INIT;
	int r = report_parse(text, strlen(text), out, &e);

	if (r < 0)
		assert_int_not_equal(strlen(e.msg), 0);
	return r;
}

static void good(void **state)
{
	struct report r;

	(void)state;
	assert_int_equal(
	    parse(
		"{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":5,"
		"\"total_bytes\":10,\"rate_bytes_per_s\":2,\"eta_s\":3,\"disk_bytes\":8589934592,\"extra\":[]}",
		&r),
	    0);
	assert_int_equal(r.phase, PHASE_ROOTFS);
	assert_int_equal(r.status, REPORT_RUNNING);
	assert_int_equal(r.bytes, 5);
	assert_int_equal(r.eta_s, 3);
	assert_int_equal(r.disk_bytes, UINT64_C(8589934592));
	report_clear(&r);
	assert_int_equal(
	    parse("{\"phase\":\"rootfs\",\"status\":\"running\",\"eta_s\":-1}", &r), 0);
	assert_int_equal(r.eta_s, -1);
	report_clear(&r);
	assert_int_equal(
	    parse("{\"phase\":\"plan\",\"status\":\"failed\",\"message\":\"a\\nb\\u001b"
		  "\",\"hint\":null,\"log\":\"x\\ny\\u0007\"}",
		&r),
	    0);
	assert_string_equal(r.message, "a b?");
	assert_string_equal(r.log, "x\ny?");
	assert_int_equal(r.eta_s, -1);
	report_clear(&r);
}

static void bad(void **state)
{
	static const char *const texts[] = {
	    "",
	    "null",
	    "[]",
	    "{",
	    "{}",
	    "{\"phase\":\"rootfs\"}",
	    "{\"phase\":\"none\",\"status\":\"running\"}",
	    "{\"phase\":\"rootfs\",\"status\":\"great\"}",
	    "{\"phase\":5,\"status\":\"running\"}",
	    "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":-1}",
	    "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":1.5}",
	    "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":99999999999999999999}",
	    "{\"phase\":\"rootfs\",\"status\":\"running\",\"log\":[]}",
	    "{\"phase\":\"rootfs\",\"phase\":\"plan\",\"status\":\"running\"}",
	    "{\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
	};
	struct report r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (parse(texts[i], &r) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		report_clear(&r);
	}
}

/* Cut, but never within a character. */
static void long_texts(void **state)
{
	size_t n = 60000;
	char *text = malloc(n + 200);
	struct report r;

	(void)state;
	int start = sprintf(text, "{\"phase\":\"plan\",\"status\":\"failed\",\"message\":\"");
	for (size_t i = 0; i + 2 < n; i += 2)
		memcpy(text + start + i, "\xc3\xa4", 2);
	strcpy(text + start + n - 2, "\"}");
	assert_int_equal(parse(text, &r), 0);
	assert_int_equal(strlen(r.message), MACHINE_TEXT_SIZE - 2);
	report_clear(&r);

	start = sprintf(text, "{\"phase\":\"plan\",\"status\":\"failed\",\"log\":\"");
	for (size_t i = 0; i + 4 < n; i += 4)
		memcpy(text + start + i, "ab\\n", 4);
	strcpy(text + start + n - 4, "\"}");
	assert_int_equal(parse(text, &r), 0);
	assert_true(strlen(r.log) <= REPORT_LOG_MAX_BYTES);
	report_clear(&r);

	/* The most an installer sends: 100 lines of 299 bytes that all need escaping. */
	start = sprintf(text, "{\"phase\":\"plan\",\"status\":\"failed\",\"log\":\"");
	char *p = text + start;
	for (size_t line = 0; line < 100; line++) {
		for (size_t i = 0; i < 299; i++)
			p = stpcpy(p, "\\\"");
		p = stpcpy(p, "\\n");
	}
	stpcpy(p, "\"}");
	assert_true(strlen(text) < REPORT_BODY_MAX_BYTES - 4096);
	assert_int_equal(parse(text, &r), 0);
	assert_int_equal(strlen(r.log), 100 * 300);
	report_clear(&r);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(bad),
	    cmocka_unit_test(long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
