/* Whose address a request comes from. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/documents/owner.h"
#include "lib/definition/test_vm_from.h"

static struct vm *make_vm(const char *more)
{
	char text[1000];

	snprintf(text, sizeof(text), "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\"%s%s}",
	    *more ? "," : "", more);
	return vm_from(text);
}

static void sources(void **state)
{
	static const char *const none[] = {"", "unix:", "0.0.0.0", "::", "192.168.100.10 ",
	    "192.168.100", "1.2.3.4:80", "::ffff:0.0.0.0"};
	struct source s;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(source_parse(none[i], &s));
	assert_true(source_parse("192.168.100.10", &s));
	assert_false(s.six);
	assert_true(source_parse("::ffff:192.168.100.10", &s));
	assert_false(s.six);
	assert_int_equal(s.ip.s_addr, htonl(0xc0a8640a));
	assert_true(source_parse("fd00::10", &s));
	assert_true(s.six);
}

static const char statics[] =
    "\"network_config\":{\"version\":2,\"ethernets\":{\"e\":{\"match\":{\"name\":\"e*\"},"
    "\"addresses\":[\"192.168.100.50/24\",{\"fd00::50/64\":{\"label\":\"x\"}}],"
    "\"gateway4\":\"192.168.100.1\",\"nameservers\":{\"addresses\":[\"192.168.100.53\"]}}}}";
static const char statics_v1[] =
    "\"network_config\":{\"version\":1,\"config\":[{\"type\":\"physical\",\"name\":\"eth0\","
    "\"subnets\":[{\"type\":\"static\",\"address\":\"192.168.100.51\",\"gateway\":\"192.168.100.1\"}]},"
    "{\"type\":\"nameserver\",\"address\":\"192.168.100.53\"}]}";

static void owners(void **state)
{
	static const struct {
		const char *definition;
		const char *source;
		bool own;
	} rows[] = {
	    {"", "192.168.100.10", false},
	    {"", "192.168.100.77", true}, /* leased */
	    {"", "192.168.100.78", true}, /* seen */
	    {"", "fd00::77", true},
	    {"", "fd00::78", true},
	    {"", "fd00::79", false},
	    {"", "127.0.0.1", false},
	    {"\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::10\"", "192.168.100.10", true},
	    {"\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::10\"", "::ffff:192.168.100.10", true},
	    {"\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::10\"", "fd00:0::0010", true},
	    {"\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::10\"", "192.168.100.11", false},
	    {"\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::10\"", "192.168.100.77", true},
	    {statics, "192.168.100.50", true},
	    {statics, "fd00::50", true},
	    {statics, "192.168.100.53", false},
	    {statics, "192.168.100.1", false},
	    {statics_v1, "192.168.100.51", true},
	    {statics_v1, "192.168.100.1", false},
	    {statics_v1, "192.168.100.53", false},
	};
	struct machine_addresses known = {
	    .leased_ip = {htonl(0xc0a8644d)}, .seen_ip = {htonl(0xc0a8644e)}};

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00::77", &known.leased_ip6), 1);
	assert_int_equal(inet_pton(AF_INET6, "fd00::78", &known.seen_ip6), 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vm *vm = make_vm(rows[i].definition);
		struct source s;

		assert_true(source_parse(rows[i].source, &s));
		if (owner_has(vm, &known, &s) != rows[i].own)
			fail_msg("%s from %s", rows[i].definition, rows[i].source);
		vm_free(vm);
	}
}

/* What is not known is all zero: nobody calls from there. */
static void nothing_known(void **state)
{
	const struct machine_addresses known = {0};
	struct vm *vm = make_vm("");
	struct source s;
	char buf[INET6_ADDRSTRLEN];

	(void)state;
	assert_false(source_parse("0.0.0.0", &s));
	assert_true(source_parse("10.0.0.1", &s));
	assert_false(owner_has(vm, &known, &s));
	assert_string_equal(owner_address(vm, &known, buf), "an address not known yet");
	vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sources),
	    cmocka_unit_test(owners),
	    cmocka_unit_test(nothing_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
