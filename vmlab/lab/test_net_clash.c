#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vmlab/lab/net_clash.h"

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
/* 192.168.100.0/24 on eth0, default by 192.168.100.1; 10.0.0.0/8 by 10.9.9.1; 172.17.0.0/16. */
#define LAN "eth0\t0064A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
#define OUT "eth0\t00000000\t0164A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define FAR "eth0\t00000000\t0109090A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
#define VPN "tun0\t0000000A\t0109090A\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"
#define BRIDGE "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"

static struct cidr4 net(const char *text)
{
	struct cidr4 c;
	struct err e = ERR_INIT;

	assert_int_equal(cidr4_parse(text, true, &c, &e), 0);
	return c;
}

static void test_routes(void **state)
{
	static const struct {
		const char *lab, *routes;
		enum net_clash clash;
		const char *what;
	} cases[] = {
	    {"192.168.100.1/24", "", NET_CLASH_NONE, ""},
	    {"192.168.100.1/24", HEAD BRIDGE FAR VPN, NET_CLASH_NONE, ""},
	    {"192.168.100.1/24", HEAD LAN FAR, NET_CLASH_LAN, "192.168.100.0/24 on eth0"},
	    {"192.168.100.1/24", HEAD LAN OUT, NET_CLASH_GATEWAY, "192.168.100.1"},
	    {"192.168.100.129/25", HEAD LAN OUT, NET_CLASH_LAN, "192.168.100.0/24 on eth0"},
	    {"192.168.0.1/16", HEAD BRIDGE LAN FAR, NET_CLASH_LAN, "192.168.100.0/24 on eth0"},
	    {"172.17.5.1/24", HEAD BRIDGE FAR, NET_CLASH_LAN, "172.17.0.0/16 on docker0"},
	    {"192.168.101.1/24", HEAD LAN OUT BRIDGE, NET_CLASH_NONE, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cidr4 lab = net(cases[i].lab);
		char what[64] = "";
		enum net_clash clash = net_clash_routes(&lab, cases[i].routes, what, sizeof(what));
		if (clash != cases[i].clash || strcmp(what, cases[i].what) != 0)
			fail_msg("case %zu: %d, \"%s\"", i, clash, what);
	}
}

static void test_resolvers(void **state)
{
	struct cidr4 lab = net("192.168.100.1/24");
	char what[64] = "", text[600];

	(void)state;
	assert_int_equal(net_clash_resolvers(&lab,
			     "# nameserver 192.168.100.1\nsearch 192.168.100.1\nnameserver ::1\n"
			     "nameserver 127.0.0.53\nnameserver 192.168.101.1\n",
			     what, sizeof(what)),
	    NET_CLASH_NONE);
	assert_int_equal(
	    net_clash_resolvers(
		&lab, "nameserver 1.1.1.1\n nameserver\t192.168.100.253", what, sizeof(what)),
	    NET_CLASH_RESOLVER);
	assert_string_equal(what, "192.168.100.253");
	net_clash_sentence(NET_CLASH_RESOLVER, what, "192.168.100.1/24", text, sizeof(text));
	assert_non_null(strstr(text, "192.168.100.1/24 holds 192.168.100.253"));
	assert_non_null(strstr(text, "VMLAB_CIDR=192.168.200.1/24"));
	net_clash_sentence(NET_CLASH_LAN, "x", "192.168.200.1/24", text, sizeof(text));
	assert_null(strstr(text, "VMLAB_CIDR=192.168.200.1/24"));
}

static void test_engine(void **state)
{
	static const struct {
		const char *lab, *networks, *what;
	} cases[] = {
	    {"172.17.0.1/16", "172.17.0.0/16 ", "172.17.0.0/16"},
	    {"172.17.5.1/24", "fd00::/64 172.17.0.0/16 ", "172.17.0.0/16"},
	    {"172.16.0.1/12", "172.17.0.0/16 ", "172.17.0.0/16"},
	    {"192.168.100.1/24", "172.17.0.0/16 fd00::/64 ", ""},
	    {"192.168.100.1/24", "", ""},
	    {"192.168.100.1/24", " 0.0.0.0/0 nonsense", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cidr4 lab = net(cases[i].lab);
		char what[64] = "";
		enum net_clash clash =
		    net_clash_engine(&lab, cases[i].networks, what, sizeof(what));
		if ((clash == NET_CLASH_ENGINE) != (*cases[i].what != '\0') ||
		    strcmp(what, cases[i].what) != 0)
			fail_msg("case %zu: %d, \"%s\"", i, clash, what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_routes),
	    cmocka_unit_test(test_resolvers),
	    cmocka_unit_test(test_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
