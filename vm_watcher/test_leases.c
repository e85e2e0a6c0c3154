/* Who has which address, what of it is dropped, and that the real dnsmasq drops it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm_watcher/bus.h"
#include "vm_watcher/bus_message.h"
#include "lib/base/cleanup.h"
#include "vm_watcher/leases.h"
#include "lib/base/log.h"
#include "lib/base/test_folder.h"

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static int make_silent_folder(void **state)
{
	log_set_sink(silent);
	return make_folder(state);
}

/* ---- deciding ------------------------------------------------------------------------------- */

static struct vm_store *store;

static const struct vm_snapshot *definitions(void)
{
	struct vm_store_options o = {.dir = at("vms"), .no_inotify = true};
	struct err e = ERR_INIT;

	put("vms/a.json", "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"ip\":\"10.0.0.10\","
			  "\"ipv6\":\"fd00::a\"}");
	put("vms/b.json", "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:0b\",\"ip\":\"10.0.0.11\","
			  "\"ipv6\":\"fd00::b\"}");
	put("vms/free.json", "{\"name\":\"free\",\"mac\":\"52:54:00:00:00:0f\"}");
	if (vm_store_open(&o, &store, &e) < 0)
		fail_msg("%s", e.msg);
	return vm_store_snapshot(store);
}

static void note(void *ctx, const struct lease_line *lease, const struct vm *vm)
{
	char text[INET6_ADDRSTRLEN];
	char *out = ctx;

	inet_ntop(lease->ip.s_addr ? AF_INET : AF_INET6,
	    lease->ip.s_addr ? (const void *)&lease->ip : &lease->ip6, text, sizeof(text));
	snprintf(out + strlen(out), 400 - strlen(out), "%s>%s ", text, vm->name);
}

#define LL(mac) "00:03:00:01:" mac
#define EN "00:02:00:00:ab:11:01:02:03:04:05:06:07:08"

static const struct {
	const char *what, *leases, *before, *machines, *dropped;
} cases[] = {
    {"each has its own",
	"1 52:54:00:00:00:0a 10.0.0.10 a 01:52:54:00:00:00:0a\n"
	"1 52:54:00:00:00:0f 10.0.0.99 free *\nduid " EN "\n1 7 fd00::a a " EN "\n"
	"1 7 fd00::b b " LL("52:54:00:00:00:0b") "\n",
	NULL, NULL, ""},
    {"a stranger has it", "1 52:54:00:00:00:ee 10.0.0.10 * *\n1 7 fd00::a * " EN "\n", NULL, NULL,
	"10.0.0.10>a fd00::a>a "},
    {"of a file that is no more", "1 52:54:00:00:00:ee 10.0.0.10 old *\n1 7 fd00::a old " EN "\n",
	NULL, NULL, "10.0.0.10>a fd00::a>a "},
    {"swapped",
	"1 52:54:00:00:00:0a 10.0.0.11 a *\n1 52:54:00:00:00:0b 10.0.0.10 b *\n"
	"1 7 fd00::a b " EN "\n1 7 fd00::b a " EN "\n",
	NULL, NULL, "10.0.0.11>b 10.0.0.10>a fd00::b>b fd00::a>a "},
    {"a changed MAC address",
	"1 52:54:00:00:00:ee 10.0.0.10 a *\n1 7 fd00::a a " LL(
	    "52:54:00:00:00:ee") "\n1 8 fd00::b b 00:01:00:01:1c:39:cf:88:52:54:00:00:00:ee\n",
	NULL, NULL, "10.0.0.10>a fd00::a>a fd00::b>b "},
    {"other addresses are left alone",
	"1 52:54:00:00:00:ee 10.0.0.77 * *\n"
	"1 52:54:00:00:00:0a 10.0.0.78 a *\n1 T7 fd00::77 * " EN "\n",
	NULL, NULL, ""},
    {"a hardware type of its own", "1 06-00:11:22:33:44:55 10.0.0.10 * *\n", NULL, NULL,
	"10.0.0.10>a "},
    {"booted since", "1 7 fd00::a a " EN "\n1 7 fd00::99 b " EN "\n", "a - - 5\nb - - 5\n",
	"a - - 6\nb - - 6\n", "fd00::a>a fd00::99>b "},
    {"booted for the first time", "1 7 fd00::a a " EN "\n", "", "a - - 6\n", "fd00::a>a "},
    {"not booted", "1 7 fd00::a a " EN "\n", "a - - 5\n", "a - - 5\n", ""},
    {"its other card has it", "1 02:00:00:00:00:99 10.0.0.10 a *\n", NULL,
	"a - - 0 02:00:00:00:00:99\n", ""},
    {"another's other card has it", "1 02:00:00:00:00:99 10.0.0.10 a *\n", NULL,
	"a - - 0 -\nb - - 0 02:00:00:00:00:99\n", "10.0.0.10>a "},
    {"not known whether", "1 7 fd00::a a " EN "\n", NULL, "a - - 5\n", ""},
    {"no lease at all", "\n1 2\n1 2 3 4 5\nduid x\n\x01\xff\n", "", "junk\n- - - -\n", ""},
};

static void conflicts(void **state)
{
	const struct vm_snapshot *snap = definitions();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leases l = {0}, before = {0};
		char dropped[400] = "";

		assert_int_equal(leases_read(&l, cases[i].leases), 0);
		assert_int_equal(
		    leases_read_machines(&l, cases[i].machines ? cases[i].machines : ""), 0);
		assert_int_equal(
		    leases_read_machines(&before, cases[i].before ? cases[i].before : ""), 0);
		leases_conflicts(&l, cases[i].before ? &before : NULL, false, snap, note, dropped);
		if (strcmp(dropped, cases[i].dropped) != 0)
			fail_msg(
			    "%s: dropped %s, wanted %s", cases[i].what, dropped, cases[i].dropped);
		leases_clear(&l);
		leases_clear(&before);
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
}

/* After a restart nobody knows whether a machine has booted since the last look. */
static void first_look(void **state)
{
	static const struct {
		const char *leases, *dropped;
	} first[] = {
	    {"13600 7 fd00::a a " EN "\n", "fd00::a>a "}, /* got at 10000, before it booted */
	    {"13601 7 fd00::a a " EN "\n", "fd00::a>a "},
	    {"13602 7 fd00::a a " EN "\n", ""},
	    {"0 7 fd00::a a " EN "\n", ""},
	    {"13600 7 fd00::b b " EN "\n", ""},
	    {"13600 52:54:00:00:00:0a 10.0.0.10 a *\n", ""},
	    {"19999 52:54:00:00:00:ee 10.0.0.10 a *\n", "10.0.0.10>a "},
	};
	const struct vm_snapshot *snap = definitions();

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct leases l = {0};
		char dropped[400] = "";

		assert_int_equal(leases_read(&l, first[i].leases), 0);
		assert_int_equal(leases_read_machines(&l, "a - - 10001500\n"), 0);
		leases_conflicts(&l, NULL, true, snap, note, dropped);
		if (strcmp(dropped, first[i].dropped) != 0)
			fail_msg("%s: dropped %s", first[i].leases, dropped);
		leases_clear(&l);
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
}

static const char *address_of(const struct leases *l, const struct vm *vm)
{
	static char text[2 * INET6_ADDRSTRLEN];
	char six[INET6_ADDRSTRLEN];
	struct in_addr ip;
	struct in6_addr ip6;

	leases_address(l, vm, &ip, &ip6);
	inet_ntop(AF_INET, &ip, text, sizeof(text));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
	    inet_ntop(AF_INET6, &ip6, six, sizeof(six)));
	return text;
}

static void addresses(void **state)
{
	const struct vm_snapshot *snap = definitions();
	const struct vm *a = vm_snapshot_by_name(snap, "a"),
			*free_vm = vm_snapshot_by_name(snap, "free");
	struct leases l = {0};
	struct leases_signs none, some;

	(void)state;
	assert_string_equal(address_of(&l, a), "10.0.0.10 fd00::a");
	assert_string_equal(address_of(&l, free_vm), "0.0.0.0 ::");
	assert_int_equal(leases_read(&l, "1 52:54:00:00:00:0a 10.0.0.10 a *\n"
					 "1 7 fd00::77 a " EN "\n1 8 fd00::a a " EN "\n"
					 "1 52:54:00:00:00:0f 10.0.0.99 free *\n"),
	    0);
	assert_string_equal(address_of(&l, a), "10.0.0.10 fd00::a");
	assert_string_equal(address_of(&l, free_vm), "10.0.0.99 ::");
	leases_signs(&l, snap, &none);
	assert_int_equal(none.held6, 1);
	assert_int_equal(leases_read(&l, "1 52:54:00:00:00:0a 10.0.0.78 a.pvmlab.local *\n"
					 "1 7 fd00::77 a.pvmlab.local " EN "\n"),
	    0);
	assert_string_equal(address_of(&l, a), "10.0.0.78 fd00::77");
	leases_signs(&l, snap, &some);
	assert_int_equal(some.held6, 0);
	assert_true(some.astray != 0 && some.astray6 != 0 && !none.astray);
	assert_int_equal(
	    leases_read_machines(&l, "a 10.0.0.50 - 0\nfree 10.0.0.51 fd00::51 3\n"), 0);
	assert_string_equal(address_of(&l, a), "10.0.0.50 fd00::77");
	assert_string_equal(address_of(&l, free_vm), "10.0.0.51 fd00::51");
	leases_clear(&l);
	vm_snapshot_unref(snap);
	vm_store_close(store);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void messages(void **state)
{
	uint8_t buf[256], broken[256];
	struct bus_message m;

	(void)state;
	int len = (int)bus_message_call(buf, 7, "DeleteDhcpLease", "fd00::a");
	for (int i = 0; i < len; i++)
		assert_int_equal(bus_message_length(buf, (size_t)i), 0);
	assert_int_equal(bus_message_length(buf, sizeof(buf)), len);
	assert_int_equal(bus_message_parse(buf, (size_t)len, &m), 0);
	assert_int_equal(m.serial, 7);
	assert_string_equal(m.member, "DeleteDhcpLease");
	assert_string_equal(m.signature, "s");
	len = (int)bus_message_answer(buf, 8, 7, NULL, 5);
	uint32_t value;
	assert_int_equal(bus_message_parse(buf, (size_t)len, &m), 0);
	assert_int_equal(m.reply_serial, 7);
	assert_true(bus_message_first(&m, &value) && value == 5);
	assert_false(bus_message_number(&m, "x", &value));
	/* Every damaged byte is refused or read within bounds: the sanitizers look on. */
	for (int i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(broken, buf, sizeof(broken));
			broken[i] ^= (uint8_t)(1 << bit);
			int n = bus_message_length(broken, (size_t)len);
			if (n > 0 && bus_message_parse(broken, (size_t)n, &m) == 0) {
				(void)bus_message_first(&m, &value);
				(void)bus_message_number(&m, "x", &value);
			}
		}
}

/* ---- the real dnsmasq ----------------------------------------------------------------------- */

static void pause_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static const char *find_dnsmasq(void)
{
	static const char *const paths[] = {
	    "/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/sbin/dnsmasq"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static pid_t start_dnsmasq(const char *program)
{
	char args[4][260], address[260];

	snprintf(args[0], sizeof(args[0]), "--pid-file=%s", at("dnsmasq.pid"));
	snprintf(args[1], sizeof(args[1]), "--log-facility=%s", at("log"));
	snprintf(args[2], sizeof(args[2]), "--dhcp-leasefile=%s", at("leases"));
	snprintf(args[3], sizeof(args[3]), "--user=%s", geteuid() == 0 ? "root" : "");
	snprintf(address, sizeof(address), "unix:path=%s", at("bus"));
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	execl(program, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts",
	    "--no-resolv", "--port=0", "--listen-address=127.0.0.1", "--bind-interfaces",
	    "--enable-dbus", "--dhcp-range=127.0.0.100,127.0.0.200", args[0], args[1], args[2],
	    geteuid() == 0 ? args[3] : NULL, NULL);
	_exit(127);
}

static char *text_of(const char *name)
{
	char *text;
	size_t len;

	return file_read(at(name), 1 << 20, &text, &len, NULL) < 0 ? strdup("") : text;
}

static bool lease_file_has(const char *what)
{
	_cleanup_free_ char *text = text_of("leases");

	return strstr(text, what);
}

/* Once it is connected. */
static int declines(struct bus *b, uint32_t *count)
{
	struct err e = ERR_INIT;
	int r = BUS_NOT_CONNECTED;

	for (int i = 0; i < 100 && r == BUS_NOT_CONNECTED; i++) {
		r = bus_declines(b, count, &e);
		if (r == BUS_NOT_CONNECTED)
			pause_ms(50);
	}
	return r;
}

static atomic_int heard;

static void hear(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&heard, 1);
}

static void dnsmasq_drops_leases(void **state)
{
	const char *program = find_dnsmasq();
	struct bus *b = NULL;
	struct err e = ERR_INIT;
	uint32_t count = 99;
	int status;

	(void)state;
	if (!program) {
		print_message("skipped: dnsmasq is not installed\n");
		skip();
	}
	put("leases", "9999999999 52:54:00:00:00:0a 127.0.0.110 a *\n"
		      "9999999999 52:54:00:00:00:0b 127.0.0.111 b *\n");
	assert_int_equal(bus_open(at("bus"), hear, NULL, &b, &e), 0);
	assert_int_equal(bus_drop_lease(b, "127.0.0.110", &e), BUS_NOT_CONNECTED);
	pid_t pid = start_dnsmasq(program);
	int connected = declines(b, &count);
	if (connected != 0) {
		_cleanup_free_ char *log = text_of("log");
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		bus_close(b);
		if (!log[0] || strstr(log, "Permission") || strstr(log, "not permitted")) {
			print_message("skipped: dnsmasq does not start here: %s\n", log);
			skip();
		}
		fail_msg("not connected: %d, %s; %s", connected, e.msg, log);
	}
	int reloaded = bus_reload(b, &e);
	int none = bus_drop_lease(b, "127.0.0.112", &e);
	int wrong = bus_drop_lease(b, "nonsense", &e);
	int dropped = bus_drop_lease(b, "127.0.0.110", &e);
	bool gone = !lease_file_has("127.0.0.110"), other = lease_file_has("127.0.0.111");
	/* Whoever is in its way: garbage on the socket takes the connection, and nothing else. */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at("bus"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, "BEGIN\r\nGET / HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL), 25);
	pause_ms(200);
	int lost = bus_drop_lease(b, "127.0.0.111", &e);
	close(fd);
	bool alive = waitpid(pid, &status, WNOHANG) == 0;
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	/* A new one connects again. */
	pid = start_dnsmasq(program);
	int again = declines(b, &count);
	int dropped_again = bus_drop_lease(b, "127.0.0.111", &e);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	bus_close(b);

	assert_int_equal(count, 0);
	assert_int_equal(reloaded, 0);
	assert_int_equal(none, BUS_NO_LEASE);
	assert_int_equal(wrong, -EPROTO);
	assert_int_equal(dropped, 0);
	assert_true(gone && other);
	assert_int_equal(lost, BUS_NOT_CONNECTED);
	assert_true(alive);
	assert_int_equal(again, 0);
	assert_int_equal(dropped_again, 0);
	assert_true(atomic_load(&heard) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(conflicts),
	    cmocka_unit_test(first_look),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(messages),
	    cmocka_unit_test(dnsmasq_drops_leases),
	};

	return cmocka_run_group_tests(tests, make_silent_folder, remove_folder);
}
