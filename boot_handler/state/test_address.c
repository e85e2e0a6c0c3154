/* Which address a machine is said to have, and what is said when that is not the declared one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/address.h"

static struct in_addr ip4(const char *text)
{
	struct in_addr ip = {0};

	assert_true(!*text || inet_pton(AF_INET, text, &ip) == 1);
	return ip;
}

static struct in6_addr ip6(const char *text)
{
	struct in6_addr ip = in6addr_any;

	assert_true(!*text || inet_pton(AF_INET6, text, &ip) == 1);
	return ip;
}

static const struct {
	const char *declared, *leased, *seen, *has;
	bool problem;
} cases4[] =
    {
	{"", "", "", "", false},
	{"10.0.0.1", "", "", "10.0.0.1", false},
	{"10.0.0.1", "10.0.0.1", "", "10.0.0.1", false},
	{"10.0.0.1", "10.0.0.2", "", "10.0.0.2", true},
	{"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1", false},
	{"10.0.0.1", "10.0.0.1", "10.0.0.3", "10.0.0.3", true},
	{"", "10.0.0.2", "10.0.0.3", "10.0.0.3", false},
	{"", "10.0.0.2", "", "10.0.0.2", false},
},
  cases6[] = {
      {"", "", "", "::", false},
      {"fd00::1", "", "", "fd00::1", false},
      {"fd00::1", "fd00::2", "", "fd00::2", true},
      {"fd00::1", "fd00::2", "fd00::1", "fd00::1", false},
      {"", "fd00::2", "fd00::3", "fd00::3", false},
};

static void check_problem(const struct vm *vm, const struct machine_addresses *a, bool six,
    bool wanted, const char *declared, const char *has)
{
	char text[ADDRESS_TEXT_SIZE] = "";

	assert_int_equal(address_problem(vm, a, six, text), wanted);
	assert_false(address_problem(vm, a, !six, text + strlen(text)));
	if (wanted &&
	    (!strstr(text, declared) || !strstr(text, has) || text[strlen(text) - 1] == ' '))
		fail_msg("not both are named: %s", text);
}

static void which_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases4) / sizeof(cases4[0]); i++) {
		struct vm vm = {.ip = ip4(cases4[i].declared)};
		struct machine_addresses a = {
		    .leased_ip = ip4(cases4[i].leased), .seen_ip = ip4(cases4[i].seen)};

		assert_int_equal(address_ip(&vm, &a).s_addr, ip4(cases4[i].has).s_addr);
		check_problem(&vm, &a, false, cases4[i].problem, cases4[i].declared, cases4[i].has);
	}
	for (size_t i = 0; i < sizeof(cases6) / sizeof(cases6[0]); i++) {
		struct vm vm = {.has_ip6 = *cases6[i].declared, .ip6 = ip6(cases6[i].declared)};
		struct machine_addresses a = {
		    .leased_ip6 = ip6(cases6[i].leased), .seen_ip6 = ip6(cases6[i].seen)};
		struct in6_addr has = address_ip6(&vm, &a), wanted = ip6(cases6[i].has);

		assert_true(ip6_equal(&has, &wanted));
		check_problem(&vm, &a, true, cases6[i].problem, cases6[i].declared, cases6[i].has);
	}
}

static struct eeprom_wish eeprom; /* what its EEPROM is to become */

static char *line_of(const struct vm *vm, const struct machine_addresses *a)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	address_line(f, vm, a, &eeprom);
	fclose(f);
	return text;
}

static void check_line(const struct vm *vm, const struct machine_addresses *a, const char *wanted)
{
	char *text = line_of(vm, a);

	assert_string_equal(text, wanted);
	free(text);
}

static void lines(void **state)
{
	struct vm vm = {.name = "web1", .ip = ip4("10.0.0.1")};
	struct machine_addresses a = {.leased_ip = ip4("10.0.0.2"), .booted_ms = 77};

	(void)state;
	check_line(&vm, &a, ""); /* dnsmasq knows its leases */
	a.seen_ip = ip4("10.0.0.3");
	check_line(&vm, &a, "web1 10.0.0.3 - 0 - - -\n");
	vm.has_ip6 = true;
	check_line(&vm, &a, "web1 10.0.0.3 - 77 - - -\n");
	a = (struct machine_addresses){.seen_ip6 = ip6("fd00::3")};
	check_line(&vm, &a, "web1 - fd00::3 0 - - -\n");
	a = (struct machine_addresses){.netboot_off = true};
	check_line(&vm, &a, "web1 - - 0 - off -\n");
	a = (struct machine_addresses){.booted_ms = 0};
	eeprom = (struct eeprom_wish){eeprom_kind_find("2711"), true, 1790000000};
	check_line(&vm, &a, "web1 - - 0 - - 2711:first:1790000000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(which_one),
	    cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
