/* The hosts files: exact text, and what the real dnsmasq makes of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm_watcher/dnsmasq.h"
#include "vm_watcher/hosts.h"
#include "lib/base/test_folder.h"

static struct hosts_text render_seen(const char *machines)
{
	struct vm_store_options o = {.dir = at("vms"), .no_inotify = true};
	struct leases leases = {0};
	struct hosts_text text;
	struct vm_store *store;
	struct err e = ERR_INIT;

	assert_int_equal(leases_read_machines(&leases, machines), 0);
	if (vm_store_open(&o, &store, &e) < 0)
		fail_msg("%s", e.msg);
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	assert_int_equal(hosts_render(snap, "pvmlab.local", &leases, &text, &e), 0);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	leases_clear(&leases);
	return text;
}

static struct hosts_text render(void)
{
	return render_seen("");
}

static void text_is_exact(void **state)
{
	(void)state;
	put("vms/web1.json",
	    "{\"name\":\"web1\",\"mac\":\"52-54-00-00-00-11\",\"ip\":\"192.168.100.11/24\"}");
	put("vms/db.json", "{\"name\":\"db\",\"mac\":\"52:54:00:00:00:AA\"}");
	put("vms/six.json",
	    "{\"name\":\"six\",\"mac\":\"52:54:00:00:00:66\",\"ip\":\"192.168.100.66\","
	    "\"ipv6\":\"FD00:0::66/64\"}");
	put("vms/only6.json",
	    "{\"name\":\"only6\",\"mac\":\"52:54:00:00:00:67\",\"ipv6\":\"fd00::67\"}");
	struct hosts_text text = render();
	assert_string_equal(text.dhcp,
	    "# Made by vm_watcher from the VM definitions; changes here are lost.\n"
	    "52:54:00:00:00:aa,id:*,db.pvmlab.local\n"
	    "52:54:00:00:00:67,id:*,set:unnamed\n"
	    "52:54:00:00:00:67,id:*,[fd00::67],only6.pvmlab.local\n"
	    "52:54:00:00:00:66,id:*,192.168.100.66,[fd00::66],six.pvmlab.local\n"
	    "52:54:00:00:00:11,id:*,192.168.100.11,web1.pvmlab.local\n");
	assert_string_equal(text.dns,
	    "# Made by vm_watcher from the VM definitions; changes here are lost.\n"
	    "fd00::67 only6.pvmlab.local only6\n"
	    "192.168.100.66 six.pvmlab.local six\n"
	    "fd00::66 six.pvmlab.local six\n"
	    "192.168.100.11 web1.pvmlab.local web1\n");
	hosts_text_free(&text);
}

static void assert_begins(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("%s\ndoes not begin with\n%s", text, with);
}

/* By the definition's mode, and by order. */
static void no_network_boot(void **state)
{
	(void)state;
	put("vms/a.json", "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"mode\":\"off\"}");
	put("vms/b.json", "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:0b\",\"ip\":\"10.0.0.11\"}");
	put("vms/c.json", "{\"name\":\"c\",\"mac\":\"52:54:00:00:00:0c\",\"ipv6\":\"fd00::c\"}");
	put("vms/d.json", "{\"name\":\"d\",\"mac\":\"52:54:00:00:00:0d\",\"mode\":\"off\","
			  "\"pxeboot\":false}");
	struct hosts_text text = render_seen("b - - 0 52:54:00:00:00:99 off\nc - - 7 - off\n"
					     "d - - 0 - -\nx - - 0 - off\n");
	assert_begins(strchr(text.dhcp, '\n') + 1,
	    "52:54:00:00:00:0a,id:*,set:nonetboot,a.pvmlab.local\n"
	    "52:54:00:00:00:0b,52:54:00:00:00:99,id:*,set:nonetboot,10.0.0.11,b.pvmlab.local\n"
	    "52:54:00:00:00:0c,id:*,set:nonetboot,set:unnamed\n"
	    "52:54:00:00:00:0c,id:*,set:nonetboot,[fd00::c],c.pvmlab.local\n"
	    "52:54:00:00:00:0d,id:*,d.pvmlab.local\n");
	hosts_text_free(&text);
}

static void loaders(void **state)
{
	static const char own[] =
	    "# Made by vm_watcher from the VM definitions; changes here are lost.\n"
	    "tag:own-my.efi,tag:pxe,tag:!nonetboot,tag:!ipxe,tag:!http,"
	    "option:bootfile-name,own/my.efi\n"
	    "tag:own-my.efi,tag:pxe,tag:!nonetboot,tag:!ipxe,tag:http,"
	    "option:bootfile-name,http://10.0.0.1/loaders/own/my.efi\n"
	    "tag:own-my.efi,tag:pxe,tag:!nonetboot,tag:!ipxe,"
	    "option:server-ip-address,10.0.0.1\n";
	struct vm_store_options o = {.no_inotify = true};
	struct in_addr server;
	struct vm_store *store;
	struct err e = ERR_INIT;
	char *opts;
	size_t len;

	(void)state;
	put("vms/a.json", "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:0a\",\"loader\":\"snponly\"}");
	put("vms/b.json", "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:0b\",\"loader\":\"my.efi\"}");
	put("vms/c.json", "{\"name\":\"c\",\"mac\":\"52:54:00:00:00:0c\",\"loader\":\"my.efi\"}");
	put("vms/d.json", "{\"name\":\"d\",\"mac\":\"52:54:00:00:00:0d\",\"secure_boot\":true}");
	struct hosts_text text = render();
	assert_begins(strchr(text.dhcp, '\n') + 1,
	    "52:54:00:00:00:0a,id:*,set:loader-snponly,a.pvmlab.local\n"
	    "52:54:00:00:00:0b,id:*,set:loader-own,set:own-my.efi,b.pvmlab.local\n"
	    "52:54:00:00:00:0c,id:*,set:loader-own,set:own-my.efi,c.pvmlab.local\n"
	    "52:54:00:00:00:0d,id:*,set:loader-shim,d.pvmlab.local\n");
	hosts_text_free(&text);
	assert_int_equal(inet_pton(AF_INET, "10.0.0.1", &server), 1);
	o.dir = at("vms");
	assert_int_equal(vm_store_open(&o, &store, &e), 0);
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	assert_int_equal(hosts_render_opts(snap, server, &opts, &len, &e), 0);
	assert_string_equal(opts, own);
	free(opts);
	vm_snapshot_unref(snap);
	vm_store_close(store);
}

/* ---- only dnsmasq gets the signal -------------------------------------------------------------*/

static void only_dnsmasq_is_signalled(void **state)
{
	static const char *const useless[] = {
	    "", "x\n", "0\n", "1\n", "-1\n", "99999999999\n", "12 13\n"};
	struct err e = ERR_INIT;
	char text[32];

	(void)state;
	assert_int_equal(dnsmasq_reload(at("absent.pid"), &e), DNSMASQ_NOT_RUNNING);
	for (size_t i = 0; i < sizeof(useless) / sizeof(useless[0]); i++) {
		unlink(at("pid"));
		put("pid", useless[i]);
		assert_int_equal(dnsmasq_reload(at("pid"), &e), DNSMASQ_NOT_RUNNING);
	}
	/* This process is no dnsmasq: SIGHUP would end it. */
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	put("pid", text);
	assert_int_equal(dnsmasq_reload(at("pid"), &e), DNSMASQ_NOT_RUNNING);
}

/* ---- the real dnsmasq -------------------------------------------------------------------------*/

static const char *find_dnsmasq(void)
{
	static const char *const paths[] = {
	    "/usr/sbin/dnsmasq", "/usr/bin/dnsmasq", "/sbin/dnsmasq"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static void pause_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static char *read_log(void)
{
	char *text;
	size_t len;

	if (file_read(at("log"), 1 << 20, &text, &len, NULL) < 0)
		return strdup("");
	return text;
}

/* Waits until the log says `what` at least `times` times. */
static bool log_says(const char *what, int times)
{
	for (int i = 0; i < 100; i++) {
		char *log = read_log();
		int n = 0;
		for (const char *p = log; (p = strstr(p, what)); p++)
			n++;
		free(log);
		if (n >= times)
			return true;
		pause_ms(50);
	}
	return false;
}

/* Asks for an A record; the answer's address, or 0. */
static uint32_t dns_a(int port, const char *name)
{
	unsigned char q[300] = {0x12, 0x34, 1, 0, 0, 1}, a[600];
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 2};
	size_t len = 12;

	for (const char *label = name; *label;) {
		size_t n = strcspn(label, ".");
		q[len++] = (unsigned char)n;
		memcpy(q + len, label, n);
		len += n;
		label += n + (label[n] == '.');
	}
	len++;
	q[len + 1] = 1; /* A */
	q[len + 3] = 1; /* IN */
	len += 4;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ssize_t got = -1;
	if (sendto(fd, q, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len)
		got = recv(fd, a, sizeof(a), 0);
	close(fd);
	/* One answer record, its address in the last four bytes. */
	if (got < (ssize_t)len + 16 || a[7] != 1)
		return 0;
	const unsigned char *p = a + len + 12;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static pid_t start_dnsmasq(const char *program, int port)
{
	char args[10][260];

	snprintf(args[0], sizeof(args[0]), "--port=%d", port);
	snprintf(args[1], sizeof(args[1]), "--pid-file=%s", at("dnsmasq.pid"));
	snprintf(args[2], sizeof(args[2]), "--dhcp-hostsfile=%s", at("dhcp"));
	snprintf(args[3], sizeof(args[3]), "--addn-hosts=%s", at("dns"));
	snprintf(args[4], sizeof(args[4]), "--log-facility=%s", at("log"));
	snprintf(args[5], sizeof(args[5]), "--dhcp-leasefile=%s", at("leases"));
	snprintf(args[6], sizeof(args[6]), "--user=%s", geteuid() == 0 ? "root" : "");
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	execl(program, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts",
	    "--no-resolv", "--listen-address=127.0.0.1", "--bind-interfaces", "--log-dhcp",
	    "--dhcp-range=127.0.0.100,127.0.0.200", args[0], args[1], args[2], args[3], args[4],
	    args[5], geteuid() == 0 ? args[6] : NULL, NULL);
	_exit(127);
}

static void write_hosts(void)
{
	struct hosts_text text = render();

	assert_true(atomic_file_replace(at("dhcp"), text.dhcp, text.dhcp_len, 0644, NULL) >= 0);
	assert_true(atomic_file_replace(at("dns"), text.dns, text.dns_len, 0644, NULL) >= 0);
	hosts_text_free(&text);
}

static void dnsmasq_reads_them(void **state)
{
	const char *program = find_dnsmasq();
	struct err e = ERR_INIT;
	int port = 20000 + (int)(getpid() % 20000), status;

	(void)state;
	if (!program) {
		print_message("skipped: dnsmasq is not installed\n");
		skip();
	}
	write_hosts();
	pid_t pid = start_dnsmasq(program, port);
	assert_true(pid > 0);
	if (!log_says("read ", 2)) {
		char *log = read_log();
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!log[0] || strstr(log, "failed to create listening socket") ||
		    strstr(log, "Permission")) {
			print_message("skipped: dnsmasq does not start here: %s\n", log);
			free(log);
			skip();
		}
		fail_msg("dnsmasq did not read its files: %s", log);
	}
	bool first = dns_a(port, "web1.pvmlab.local") == 0xc0a8640b;
	bool bare = dns_a(port, "six") == 0xc0a86442;

	/* A change reaches it by SIGHUP; nothing in the files is doubted. */
	put("vms/web1.json",
	    "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\"ip\":\"192.168.100.12\"}");
	write_hosts();
	bool reloaded = dnsmasq_reload(at("dnsmasq.pid"), &e) == 0 && log_says("read ", 4);
	bool second = dns_a(port, "web1.pvmlab.local") == 0xc0a8640c;
	bool alive = kill(pid, 0) == 0 && waitpid(pid, &status, WNOHANG) == 0;
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	char *log = read_log();
	bool clean = !strstr(log, "bad ") && !strstr(log, "duplicate") && !strstr(log, "error");
	bool ok = first && bare && reloaded && second && alive && clean;
	if (!ok)
		print_error("first=%d bare=%d reloaded=%d second=%d alive=%d\n%s\n", first, bare,
		    reloaded, second, alive, log);
	free(log);
	assert_true(ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_is_exact),
	    cmocka_unit_test(no_network_boot),
	    cmocka_unit_test(loaders),
	    cmocka_unit_test(only_dnsmasq_is_signalled),
	    cmocka_unit_test(dnsmasq_reads_them),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
