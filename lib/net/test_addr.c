/* Addresses, sizes of files, and files that are replaced. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/net/addr.h"
#include "lib/base/atomic_file.h"

static void mac_is_parsed(void **state)
{
	static const char *const good[] = {
	    "52:54:00:aa:bb:cc", "52:54:00:AA:BB:CC", "52-54-00-aa-bb-cc", "52:54:00:aA:Bb:cc"};
	char buf[MAC_TEXT_SIZE];
	struct mac m;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(mac_parse(good[i], strlen(good[i]), &m, NULL), 0);
		assert_string_equal(mac_format(&m, buf), "52:54:00:aa:bb:cc");
	}
	assert_int_equal(mac_parse("52:54:00:aa:bb:ccXXXX", 17, &m, NULL), 0);
}

static void bad_mac_is_refused(void **state)
{
	static const char *const bad[] = {"", "52:54:00:aa:bb", "52:54:00:aa:bb:c",
	    "52:54:00:aa:bb:ccc", "52:54-00:aa:bb:cc", "52.54.00.aa.bb.cc", "525400aabbcc",
	    "52:54:00:aa:bb:cg", "52:54:00:aa:bb:c\n", " 2:54:00:aa:bb:cc", "00:00:00:00:00:00",
	    "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "52:54:00:aa:bb:cc\"",
	    "+2:54:00:aa:bb:cc"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mac m = {{1, 2, 3, 4, 5, 6}};
		struct err e = ERR_INIT;
		assert_int_equal(mac_parse(bad[i], strlen(bad[i]), &m, &e), -EINVAL);
		assert_int_equal(m.octet[5], 6);
		assert_true(strlen(e.msg) > 0);
		assert_null(strchr(e.msg, '\n'));
	}
}

static void ipv4_is_parsed(void **state)
{
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04",
	    "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/024", "1.2.3.4/24x", "1.2.3.4 ",
	    " 1.2.3.4", "0x1.2.3.4", "1.2.3.4\n", "::1", "1.2.3.4/24/24"};
	struct cidr4 c;

	(void)state;
	assert_int_equal(cidr4_parse("192.168.100.1/24", true, &c, NULL), 0);
	assert_int_equal(c.addr.s_addr, htonl(0xc0a86401));
	assert_int_equal(c.prefix, 24);
	assert_int_equal(cidr4_parse("192.168.100.1", false, &c, NULL), 0);
	assert_int_equal(c.prefix, 0);
	assert_int_equal(cidr4_parse("192.168.100.1", true, &c, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cidr4_parse(bad[i], false, &c, NULL), -EINVAL);
}

static void network_contains(void **state)
{
	static const struct {
		const char *net, *ip;
		bool inside;
	} table[] = {{"192.168.100.1/24", "192.168.100.255", true},
	    {"192.168.100.1/24", "192.168.101.0", false}, {"10.0.0.0/8", "10.255.1.2", true},
	    {"10.0.0.0/0", "203.0.113.9", true}, {"10.0.0.1/32", "10.0.0.1", true},
	    {"10.0.0.1/32", "10.0.0.2", false}, {"10.0.0.128/25", "10.0.0.127", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct cidr4 net;
		struct in_addr ip;
		assert_int_equal(cidr4_parse(table[i].net, true, &net, NULL), 0);
		assert_int_equal(inet_pton(AF_INET, table[i].ip, &ip), 1);
		assert_int_equal(cidr4_contains(&net, ip), table[i].inside);
	}
}

/* Every prefix, against the network's addresses counted out. */
static void a_network_s_edges_belong_to_no_machine(void **state)
{
	static const uint32_t own = 0x0a5a5a5a;

	(void)state;
	for (unsigned prefix = 0; prefix <= 32; prefix++) {
		uint64_t size = UINT64_C(1) << (32 - prefix);
		uint64_t first = own / size * size, last = first + size - 1;
		assert_int_equal(cidr4_host_bits((uint8_t)prefix), size - 1);
		for (uint64_t ip = first; ip <= last; ip += ip == first && size > 2 ? size - 2 : 1)
			assert_int_equal(
			    cidr4_is_edge((struct in_addr){htonl((uint32_t)ip)}, (uint8_t)prefix),
			    size > 2 && (ip == first || ip == last));
		assert_false(
		    prefix < 30 && cidr4_is_edge((struct in_addr){htonl(own)}, (uint8_t)prefix));
	}
}

static void ipv6_is_parsed(void **state)
{
	static const char *const bad[] = {"", "fd00", "fd00::g", "fd00::1/129", "fd00::1%eth0",
	    "[fd00::1]", "fd00::1\n", "1.2.3.4", "fd00::1::2",
	    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct cidr6 c;

	(void)state;
	assert_int_equal(cidr6_parse("fd56:6d6c:6162::1/64", true, &c, NULL), 0);
	assert_int_equal(c.prefix, 64);
	assert_int_equal(c.addr.s6_addr[15], 1);
	assert_int_equal(cidr6_parse("fd00::1", false, &c, NULL), 0);
	assert_int_equal(cidr6_parse("fd00::1", true, &c, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cidr6_parse(bad[i], false, &c, NULL), -EINVAL);
}

/* ---- files ------------------------------------------------------------------------------------*/

static char dir[] = "/tmp/test_addr.XXXXXX";

static const char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"file", "fifo", "big"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at(names[i]));
	return rmdir(dir); /* fails when a temporary file stayed behind */
}

static void file_is_replaced(void **state)
{
	struct stat first, second;
	char *text;
	size_t len;

	(void)state;
	umask(077);
	assert_int_equal(atomic_file_replace(at("file"), "one", 3, 0644, NULL), 0);
	assert_int_equal(stat(at("file"), &first), 0);
	assert_int_equal(first.st_mode & 07777, 0644);
	assert_int_equal(
	    atomic_file_replace(at("file"), "one", 3, 0644, NULL), ATOMIC_FILE_UNCHANGED);
	assert_int_equal(stat(at("file"), &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	assert_int_equal(atomic_file_replace(at("file"), "two", 3, 0644, NULL), 0);
	assert_int_equal(file_read(at("file"), 100, &text, &len, NULL), 0);
	assert_int_equal(len, 3);
	assert_string_equal(text, "two");
	free(text);
	assert_int_equal(atomic_file_replace(at("file"), "two", 3, 0600, NULL), 0);
	assert_int_equal(atomic_file_replace(at("file"), "", 0, 0600, NULL), 0);
	assert_int_equal(atomic_file_replace(at("file"), "", 0, 0600, NULL), ATOMIC_FILE_UNCHANGED);
}

static void failure_leaves_the_old(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(atomic_file_replace(at("no/such/file"), "x", 1, 0644, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "no/such/file"));
	assert_true(atomic_file_replace(dir, "x", 1, 0644, &e) < 0); /* a directory stays one */
	assert_int_equal(access(dir, X_OK), 0);
}

static void only_regular_files_are_read(void **state)
{
	struct err e = ERR_INIT;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(file_read(at("fifo"), 100, &text, &len, &e), -EINVAL);
	assert_int_equal(file_read(dir, 100, &text, &len, &e), -EINVAL);
	assert_int_equal(file_read("/dev/zero", 100, &text, &len, &e), -EINVAL);
	assert_int_equal(file_read(at("absent"), 100, &text, &len, &e), -ENOENT);
	assert_int_equal(file_read("/proc/self/status", 65536, &text, &len, &e), 0);
	assert_true(len > 100);
	free(text);
	assert_int_equal(file_read("/proc/self/status", 100, &text, &len, &e), -EFBIG);
}

static void size_limit_is_exact(void **state)
{
	char data[10000], *text;
	size_t len;

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_int_equal(atomic_file_replace(at("big"), data, sizeof(data), 0644, NULL), 0);
	assert_int_equal(file_read(at("big"), sizeof(data), &text, &len, NULL), 0);
	assert_int_equal(len, sizeof(data));
	free(text);
	assert_int_equal(file_read(at("big"), sizeof(data) - 1, &text, &len, NULL), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mac_is_parsed),
	    cmocka_unit_test(bad_mac_is_refused),
	    cmocka_unit_test(ipv4_is_parsed),
	    cmocka_unit_test(network_contains),
	    cmocka_unit_test(a_network_s_edges_belong_to_no_machine),
	    cmocka_unit_test(ipv6_is_parsed),
	    cmocka_unit_test(file_is_replaced),
	    cmocka_unit_test(failure_leaves_the_old),
	    cmocka_unit_test(only_regular_files_are_read),
	    cmocka_unit_test(size_limit_is_exact),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
