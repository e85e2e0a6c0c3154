#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/keys.h"
#include "boot_handler/lease_memory.h"
#include "boot_handler/report.h"

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"

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
	assert_int_equal(parse("{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":5,"
			       "\"total_bytes\":10,\"rate_bytes_per_s\":2,\"eta_s\":3,\"extra\":[]}",
			     &r), 0);
	assert_int_equal(r.phase, PHASE_ROOTFS);
	assert_int_equal(r.status, REPORT_RUNNING);
	assert_int_equal(r.bytes, 5);
	assert_int_equal(r.eta_s, 3);
	report_clear(&r);
	assert_int_equal(
	    parse("{\"phase\":\"rootfs\",\"status\":\"running\",\"eta_s\":-1}", &r), 0);
	assert_int_equal(r.eta_s, -1);
	report_clear(&r);
	assert_int_equal(parse("{\"phase\":\"plan\",\"status\":\"failed\",\"message\":\"a\\nb\\u001b"
			       "\",\"hint\":null,\"log\":\"x\\ny\\u0007\"}", &r), 0);
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

static void keys(void **state)
{
	(void)state;
	assert_true(key_valid("ssh-ed25519 " BLOB));
	assert_true(key_valid("ssh-ed25519 " BLOB " ann@host"));
	assert_false(key_valid("ssh-ed25519 " BLOB "\nssh-rsa x"));
	assert_false(key_valid("ssh-rsa " BLOB));
	assert_false(key_valid("ssh-ed25519"));
	assert_false(key_valid("ssh-ed25519 "));
	assert_false(key_valid("ssh-ed25519 !!!!"));
	assert_false(key_valid("command=\"x\" ssh-ed25519 " BLOB));
	assert_false(key_valid(""));
}

static void leases(void **state)
{
	static const char *const wrong[] = {"", "add", "add 52:54:00:00:00:11", "tftp 1 2",
	    "add 52:54:00:00:00:11 fd00::1::", "add 52:54:00:00:00:11 1.2.3.4 x y",
	    "add 06-52:54:00:00:00:11 1.2.3.4", "add 00:01:00:01:2a fd00::1"};
	static const char six[] = "old - fd00::1 web1.pvmlab.local";
	struct err e = ERR_INIT;
	struct lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(lease_parse(wrong[i], strlen(wrong[i]), &lease, &e), -EINVAL);
	assert_int_equal(lease_parse("add 52:54:00:00:00:11 1.2.3.4", 29, &lease, &e), 0);
	assert_int_equal(lease.ip.s_addr, htonl(0x01020304));
	assert_false(lease.gone || lease.six || lease.name[0]);
	assert_true(lease.has_mac);
	assert_int_equal(lease_parse(six, strlen(six), &lease, &e), 0);
	assert_true(lease.six && !lease.has_mac && ip6_is_set(&lease.ip6));
	assert_string_equal(lease.name, "web1");
	assert_int_equal(lease_parse("del 52:54:00:00:00:11 1.2.3.4", 29, &lease, &e), 0);
	assert_true(lease.gone);
}

static bool take_all(void *ctx, const struct lease *lease)
{
	unsigned *count = ctx;

	assert_true(lease->has_mac);
	++*count;
	return true;
}

static bool take_none(void *ctx, const struct lease *lease)
{
	unsigned *count = ctx;

	(void)lease;
	++*count;
	return false;
}

static void undeclared_leases(void **state)
{
	static struct lease_memory memory;
	struct lease lease = {.has_mac = true, .mac = {{0x52, 0x54, 0, 0, 0, 1}}, .ip = {1}};
	struct lease six = {.has_mac = true, .mac = lease.mac, .six = true};
	struct lease nameless = {.six = true};
	unsigned count = 0;

	(void)state;
	lease_memory_init(&memory);
	lease_memory_take(&memory, &lease);
	lease_memory_take(&memory, &lease);
	lease_memory_take(&memory, &six);
	lease_memory_take(&memory, &nameless);
	lease_memory_replay(&memory, take_none, &count);
	assert_int_equal(count, 2);
	lease.gone = true;
	lease.ip.s_addr = 2; /* the end of another one */
	lease_memory_take(&memory, &lease);
	count = 0;
	lease_memory_replay(&memory, take_none, &count);
	assert_int_equal(count, 2);
	lease.ip.s_addr = 1;
	lease_memory_take(&memory, &lease);
	count = 0;
	lease_memory_replay(&memory, take_all, &count);
	lease_memory_replay(&memory, take_all, &count);
	assert_int_equal(count, 1);
	lease.gone = false;
	for (unsigned i = 0; i < 3 * LEASE_MEMORY_SIZE; i++) {
		lease.mac.octet[4] = (uint8_t)(i >> 8);
		lease.mac.octet[5] = (uint8_t)i;
		lease_memory_take(&memory, &lease);
	}
	count = 0;
	lease_memory_replay(&memory, take_all, &count);
	assert_int_equal(count, LEASE_MEMORY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(bad),
	    cmocka_unit_test(long_texts),
	    cmocka_unit_test(keys),
	    cmocka_unit_test(leases),
	    cmocka_unit_test(undeclared_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
