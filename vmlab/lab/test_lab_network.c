#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/boot/stranger.h"
#include "vmlab/lab/lab_network.h"

static void test_networks(void **state)
{
	static const char *const good[] = {
	    "192.168.100.1/24", "10.0.0.1/8", "192.168.7.1/29", "10.1.2.254/24"};
	static const char *const bad[] = {"192.168.7.0/24", "192.168.7.255/24", "10.0.0.0/8",
	    "10.0.0.1/7", "10.0.0.1/30", "10.0.0.1/32", "10.0.0.1", "127.0.0.1/8", "0.0.0.1/8",
	    "224.0.0.1/24", "fd00::1/64", "", "lab"};
	struct cidr4 cidr;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct err e = ERR_INIT;
		if (lab_network_parse(good[i], &cidr, &e) != 0)
			fail_msg("%s: %s", good[i], e.msg);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = ERR_INIT;
		if (lab_network_parse(bad[i], &cidr, &e) == 0 || !strstr(e.msg, "VMLAB_CIDR"))
			fail_msg("%s: \"%s\"", bad[i], e.msg);
	}
	struct err e = ERR_INIT;
	assert_true(lab_network_parse("192.168.7.0/24", &cidr, &e) < 0);
	assert_non_null(strstr(e.msg, "192.168.7.1/24"));
}

static void test_reach(void **state)
{
	static const char *const good[] = {"", "internet", "all", "none", "internet,10.1.2.0/24",
	    "10.1.2.3", "fd00::/8,internet", "10.1.2.3,10.1.2.4"};
	static const char *const bad[] = {"foo", "internet,foo", "internet,all", "none,10.0.0.0/8",
	    "internet,", ",internet", "10.0.0.0/33", "10.0.0", "internet;all", "Internet",
	    "1234567890123456789012345678901234567890123456789012345678901234567890"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct err e = ERR_INIT;
		if (lab_reach_check(good[i], &e) != 0)
			fail_msg("%s: %s", good[i], e.msg);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = ERR_INIT;
		if (lab_reach_check(bad[i], &e) == 0)
			fail_msg("%s is taken", bad[i]);
	}
}

static void test_domains(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(lab_domain_check("lab.example", &e), 0);
	assert_true(lab_domain_check("10", &e) < 0);
	assert_true(lab_domain_check("lab.7", &e) < 0);
	assert_true(lab_domain_check("Lab.example", &e) < 0);
	assert_non_null(strstr(e.msg, "VMLAB_DOMAIN: \"Lab.example\""));
}

static void test_strangers(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(lab_strangers_check("", &e), 0);
	for (size_t i = 0; boot_stranger_at(i); i++)
		assert_int_equal(lab_strangers_check(boot_stranger_at(i)->name, &e), 0);
	assert_true(lab_strangers_check("sometimes", &e) < 0);
	assert_non_null(strstr(e.msg, "VMLAB_STRANGERS: \"sometimes\" is nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_reach),
	    cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
