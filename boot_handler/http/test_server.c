/* The handlers behind real listeners, asked over sockets; with snapshots changing meanwhile. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "boot_handler/http/access.h"
#include "boot_handler/http/test_served.h"
#include "boot_handler/state/card.h"
#include "lib/base/log.h"

#define MAC "52:54:00:00:00:11"
#define ANSWER_MAX 20000
#define TOKEN "0123456789abcdef0123"

static struct server *operators_tcp;
static struct access *access_tcp;
static int tcp_port;

/* The operator's API over TCP, on an inherited socket: that is how its port is known here. */
static void start_tcp(void)
{
	static char where[20];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct err e = ERR_INIT;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	tcp_port = ntohs(address.sin_port);
	write_in(dir, "token", TOKEN "\n");
	snprintf(where, sizeof(where), "fd:%d", fd);
	if (access_new(file_in(dir, "token"), "127.0.0.1:1", NULL, NULL, &access_tcp, &e) < 0)
		fail_msg("%s", e.msg);
	struct server_options options = {.listen = where,
	    .access = access_tcp,
	    .endpoints = &operator_endpoints,
	    .threads = 1,
	    .connection_bytes = SERVER_OPERATOR_BYTES,
	    .handle = call_answer,
	    .ctx = &services};
	if (server_start(&options, &operators_tcp, &e) < 0)
		fail_msg("%s", e.msg);
}

static int setup(void **state)
{
	(void)state;
	served_make();
	write_in(dir, "vms/web1.json",
	    "{\"name\":\"web1\",\"mac\":\"" MAC "\",\"ip\":\"10.0.0.11\",\"ipv6\":\"fd00::11\","
	    "\"serial\":\"SERIAL-1\"}");
	write_in(dir, "vms/arm.json",
	    "{\"name\":\"arm\",\"mac\":\"52:54:00:00:00:22\",\"arch\":\"arm64\","
	    "\"ip\":\"10.0.0.22\"}");
	write_in(dir, "vms/disk.json",
	    "{\"name\":\"disk\",\"mac\":\"52:54:00:00:00:33\",\"mode\":\"local\","
	    "\"ip\":\"10.0.0.33\"}");
	write_in(dir, "vms/metal.json",
	    "{\"name\":\"metal\",\"mac\":\"52:54:00:00:00:44\",\"serial\":\"SERIAL-4\"}");
	write_in(dir, "vms/rack.json",
	    "{\"name\":\"rack\",\"serial\":\"RACK-9\",\"ip\":\"10.0.0.99\",\"mode\":\"install\"}");
	write_in(dir, "vms/live.json",
	    "{\"name\":\"live\",\"mac\":\"52:54:00:00:00:55\",\"ip\":\"10.0.0.55\","
	    "\"mode\":\"boot\",\"image\":\"tool\"}");
	write_in(dir, "vms/broken.json", "{\"name\":");
	make_image();
	services.domain = "pvmlab.local";
	served_open();
	served_start();
	start_tcp();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	server_stop(operators_tcp);
	served_stop();
	access_free(access_tcp);
	return served_close();
}

/* ---- a small client ---------------------------------------------------------------------- */

static int dial(const char *name)
{
	struct sockaddr_in tcp = {.sin_family = AF_INET,
	    .sin_addr = {htonl(INADDR_LOOPBACK)},
	    .sin_port = htons((uint16_t)tcp_port)};

	if (strcmp(name, "tcp") != 0)
		return served_dial(*name == 'g' ? ENDPOINT_GUEST : ENDPOINT_OPERATOR);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	served_be_patient(fd);
	assert_int_equal(connect(fd, (struct sockaddr *)&tcp, sizeof(tcp)), 0);
	return fd;
}

/* Sends bytes, reads till the end of the connection; returns the status, 0 when there is none. */
static int exchange(const char *name, const char *bytes, size_t len, char *answer)
{
	int fd = dial(name);

	served_send(fd, bytes, len);
	shutdown(fd, SHUT_WR);
	return served_finish(fd, answer, ANSWER_MAX);
}

static char answer[ANSWER_MAX];
static const char *from; /* what the proxy says; NULL: the machine that the path names */

static const char *source_of(const char *path)
{
	if (from)
		return from;
	return strstr(path, ":00:22")   ? "10.0.0.22"
	       : strstr(path, ":00:33") ? "10.0.0.33"
					: "10.0.0.11";
}

static int ask(const char *name, const char *method, const char *path, const char *body)
{
	return served_finish(served_begin(*name == 'g' ? ENDPOINT_GUEST : ENDPOINT_OPERATOR,
				 source_of(path), method, path, body),
	    answer, ANSWER_MAX);
}

static bool says(const char *part)
{
	return strstr(answer, part) != NULL;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void guest_statuses(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		int status;
	} table[] = {
	    {"GET", "/ipxe?mac=" MAC, 200},
	    {"HEAD", "/ipxe?mac=" MAC, 200},
	    {"GET", "/ipxe?mac=52:54:00:00:00:77", 200},
	    {"GET", "/ipxe?mac=52:54:00:00:00:22", 200},
	    {"GET", "/ipxe?mac=x%0d%0aX-Evil:1", 400},
	    {"GET", "/ipxe", 400},
	    {"POST", "/ipxe?mac=" MAC, 405},
	    {"GET", "/config/" MAC, 200},
	    {"GET", "/config/52:54:00:00:00:22", 409},
	    {"GET", "/config/52:54:00:00:00:77", 404},
	    {"GET", "/config/nonsense", 400},
	    {"PUT", "/config/" MAC, 405},
	    {"GET", "/cloud-init/web1/meta-data", 200},
	    {"GET", "/cloud-init/web1/user-data", 200},
	    {"GET", "/cloud-init/web1/vendor-data", 200},
	    {"GET", "/cloud-init/web1/network-config", 200},
	    {"GET", "/cloud-init/nobody/meta-data", 404},
	    {"GET", "/report/" MAC, 405},
	    {"POST", "/report/52:54:00:00:00:77", 404},
	    {"POST", "/report/" MAC, 400},
	    {"POST", "/report/" MAC "?phase=ready", 409},
	    {"GET", "/api/v1/vms", 404},
	    {"POST", "/api/v1/vms/web1/reinstall", 404},
	    {"GET", "/", 404},
	    {"GET", "/healthz", 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int status = ask("g", table[i].method, table[i].path, "");
		if (status != table[i].status)
			fail_msg("%s %s: %d, not %d: %s", table[i].method, table[i].path, status,
			    table[i].status, answer);
		assert_false(says("evil.example"));
		assert_false(says("\r\nX-Evil"));
	}
}

static void whole_install(void **state)
{
	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(says("initrd.mode=install"));
	assert_int_equal(ask("g", "POST", "/report/" MAC,
			     "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":5}"),
	    204);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"state\":\"installing\""));
	assert_int_equal(ask("g", "POST", "/report/" MAC,
			     "{\"phase\":\"rootfs\",\"status\":"
			     "\"failed\",\"message\":\"no space\",\"log\":\"l1\\nl2\"}"),
	    204);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(says("no space") && !says("initrd.mode"));
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"reason\":\"no space\"") && says("l1\\nl2"));
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(says("initrd.mode=install"));
	assert_int_equal(
	    ask("g", "POST", "/report/" MAC, "{\"phase\":\"report\",\"status\":\"done\"}"), 204);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(says("exit 1") && !says("initrd.mode"));
	assert_int_equal(ask("g", "POST", "/report/" MAC "?phase=ready", "hostname=web1"), 204);
	assert_int_equal(ask("o", "GET", "/api/v1/events?after=0", ""), 200);
	assert_true(says("\"text\":\"ready\"") && says("\"kind\":\"ipxe\""));
	assert_true(says("\"data\":{\"attempt\":"));
}

/* Paths that say something about web1, or change it, asked from everywhere else. */
static void only_itself(void **state)
{
	static const char *const elsewhere[] = {"10.0.0.22", "10.0.0.99", "fd00::22", "127.0.0.1",
	    "", "10.0.0.11, 10.0.0.99", "::ffff:10.0.0.22"};
	static const char *const own[] = {
	    "10.0.0.11", "::ffff:10.0.0.11", "fd00::11", "fd00:0::11"};
	static const struct {
		const char *method;
		const char *path;
	} paths[] = {
	    {"GET", "/config/" MAC},
	    {"HEAD", "/config/" MAC},
	    {"GET", "/cloud-init/web1/meta-data"},
	    {"GET", "/cloud-init/web1/user-data"},
	    {"GET", "/cloud-init/web1/vendor-data"},
	    {"GET", "/cloud-init/web1/network-config"},
	    {"POST", "/report/" MAC},
	    {"POST", "/report/" MAC "?phase=ready"},
	};

	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		from = elsewhere[i];
		for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
			int status = ask("g", paths[k].method, paths[k].path, "");
			if (status != 403)
				fail_msg("%s %s from %s: %d", paths[k].method, paths[k].path, from,
				    status);
			assert_true(paths[k].method[0] == 'H' ||
				    says("only for web1 itself, which has 10.0.0.11"));
		}
		assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
		assert_true(says("would get: install") && says("from its own address only"));
		assert_false(says("\nkernel") || says("initrd.mode") || says("sanboot"));
	}
	from = NULL;
	assert_int_equal(ask("g", "HEAD", "/ipxe?mac=" MAC, ""), 200);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"state\":\"declared\""));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		from = own[i];
		assert_int_equal(ask("g", "GET", "/config/" MAC, ""), 200);
		assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
		assert_true(says("initrd.mode=install"));
	}
	from = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(state_save(services.state, &e), 0);
	assert_int_equal(ask("o", "GET", "/api/v1/events?vm=web1", ""), 200);
	assert_true(says("\"kind\":\"refused\",\"text\":\"/config\",\"source\":\"10.0.0.22\""));
	assert_true(says(
	    "\"kind\":\"ipxe\",\"text\":\"install\",\"source\":\"10.0.0.11\",\"address\":\"10.0.0.11\""));
	assert_true(says("\"text\":\"reinstall\",\"source\":\"operator\",\"address\":\"unix:\""));
}

/* With another interface than its definition's it is known by its serial number: from an address
 * that is nobody's, not from a neighbour's, and while its own card was not heard of. */
static void known_by_serial(void **state)
{
	static const char path[] = "/ipxe?mac=52:54:00:00:00:77&serial=SERIAL-4";
	static const char config[] = "/config/52:54:00:00:00:44";

	(void)state;
	from = "10.0.0.22";
	assert_int_equal(ask("g", "GET", path, ""), 200);
	assert_true(says("from its own address only"));
	assert_int_equal(ask("g", "GET", config, ""), 403);
	from = "10.0.0.150";
	assert_int_equal(ask("g", "GET", config, ""), 403);
	assert_int_equal(ask("g", "GET", path, ""), 200);
	assert_true(says("initrd.mode=install"));
	assert_int_equal(ask("g", "GET", config, ""), 200);
	assert_int_equal(ask("g", "POST", "/report/52:54:00:00:00:44",
			     "{\"phase\":\"plan\",\"status\":\"done\"}"),
	    204);
	from = "10.0.0.33";
	assert_int_equal(ask("g", "GET", config, ""), 403);
	from = "10.0.0.151"; /* nobody's, but not where the machine asked from */
	assert_int_equal(ask("g", "GET", config, ""), 403);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=52:54:00:00:00:78&serial=SERIAL-4", ""), 200);
	assert_true(says("own card is there") && !says("initrd.mode"));
	from = NULL;
}

/* Without "mac" its card is the one that first shows the serial number, from then on. */
static void its_mac_is_learned(void **state)
{
	static const char path[] = "/ipxe?mac=52:54:00:00:00:91&serial=RACK-9";
	struct mac learned;

	(void)state;
	assert_int_equal(ask("o", "GET", "/api/v1/vms/rack", ""), 200);
	assert_true(says("\"mac\":null"));
	assert_int_equal(ask("o", "GET", "/api/v1/machines", ""), 200);
	assert_true(says("\"name\":\"rack\",\"ignored\":false,\"macs\":[]"));
	from = "10.0.0.170";
	assert_int_equal(ask("g", "HEAD", path, ""), 200);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/rack", ""), 200);
	assert_true(says("\"mac\":null"));
	assert_int_equal(ask("g", "GET", path, ""), 200);
	assert_true(says("initrd.mode=install") && says("BOOTIF=01-52-54-00-00-00-91"));
	assert_int_equal(ask("g", "GET", "/config/52:54:00:00:00:91", ""), 200);
	assert_true(says("\"mac\": \"52:54:00:00:00:91\""));
	assert_int_equal(ask("g", "GET", "/cloud-init/rack/network-config", ""), 200);
	assert_true(says("52:54:00:00:00:91"));
	/* And without the number: GRUB and iPXE do not always tell it. */
	assert_int_equal(ask("g", "GET", "/ipxe?mac=52:54:00:00:00:91", ""), 200);
	assert_true(says("initrd.mode=install") && says("BOOTIF=01-52-54-00-00-00-91"));
	assert_int_equal(ask("g", "GET", "/grub?mac=52:54:00:00:00:91", ""), 200);
	assert_true(says("initrd.mode=install"));
	assert_int_equal(ask("g", "GET", "/ipxe?mac=52:54:00:00:00:92", ""), 200);
	assert_true(says("no definition") && !says("initrd.mode"));
	from = "10.0.0.99"; /* by DHCP, which knows the card by now */
	assert_int_equal(ask("g", "GET", "/config/52:54:00:00:00:91", ""), 200);
	from = "10.0.0.171";
	assert_int_equal(ask("g", "GET", "/ipxe?mac=52:54:00:00:00:92&serial=RACK-9", ""), 200);
	assert_true(says("own card is there"));
	from = NULL;
	assert_int_equal(ask("o", "GET", "/api/v1/vms/rack", ""), 200);
	assert_true(says("\"mac\":\"52:54:00:00:00:91\""));
	assert_int_equal(ask("o", "GET", "/api/v1/machines", ""), 200);
	assert_true(says("\"macs\":[\"52:54:00:00:00:91\"]"));
	struct mac made = vm_mac_make("RACK-9", NULL);
	assert_true(state_nic(services.state, &made, &learned));
}

/* Declared for another, a learned card is that one's alone: in the API, and for vm_watcher. */
static void a_learned_mac_that_is_declared_is_the_declared_ones(void **state)
{
	struct mac made = vm_mac_make("RACK-9", NULL), nic;
	struct machine_addresses known;
	struct err e = ERR_INIT;

	(void)state;
	assert_true(state_nic(services.state, &made, &nic));
	write_in(dir, "vms/owner.json",
	    "{\"name\":\"owner\",\"mac\":\"52:54:00:00:00:91\",\"ip\":\"10.0.0.91\"}");
	while (vm_store_wait(services.store, 1000, &e) == 1)
		continue;
	services_forget_cards(&services);
	assert_false(state_nic(services.state, &made, &nic));
	assert_true(state_addresses(services.state, &made, &known));
	assert_true(!mac_number(&known.nic) && !known.seen_ip.s_addr && !known.leased_ip.s_addr);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/rack", ""), 200);
	assert_false(says("52:54:00:00:00:91"));
	assert_int_equal(ask("o", "GET", "/api/v1/machines", ""), 200);
	const char *first = strstr(answer, "52:54:00:00:00:91");
	assert_non_null(first);
	assert_null(strstr(first + 1, "\"macs\":[\"52:54:00:00:00:91\"]"));
	assert_int_equal(state_save(services.state, &e), 0);
	assert_int_equal(ask("o", "GET", "/api/v1/events?vm=rack", ""), 200);
	assert_true(says("\"kind\":\"card\",\"text\":\"52:54:00:00:00:91 is declared for owner\""));
	/* The machine itself is learned anew, when it shows itself with a card that is free. */
	from = "10.0.0.172";
	assert_int_equal(ask("g", "GET", "/ipxe?mac=52:54:00:00:00:92&serial=RACK-9", ""), 200);
	assert_true(says("initrd.mode=install"));
	from = NULL;
	assert_true(state_nic(services.state, &made, &nic));
	assert_int_equal(unlink(file_in(dir, "vms/owner.json")), 0);
	while (vm_store_wait(services.store, 1000, &e) == 1)
		continue;
}

static void no_other_card_while_its_own_is_there(void **state)
{
	static const char *const asked[] = {
	    "/ipxe?mac=52:54:00:00:00:77&serial=SERIAL-1", "/ipxe?serial=SERIAL-1"};

	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	from = "10.0.0.160";
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ask("g", "GET", asked[i], ""), 200);
		assert_true(says("own card is there") && says("set mac in vms/web1.json"));
		assert_false(says("\nkernel") || says("initrd.mode") || says("sanboot"));
		assert_int_equal(ask("g", "GET", "/config/" MAC, ""), 403);
	}
	from = NULL;
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"state\":\"booting\"") && !says("52:54:00:00:00:77"));
	/* The machine itself, from its own address, whatever it asks with. */
	assert_int_equal(ask("g", "GET", asked[0], ""), 200);
	assert_true(says("initrd.mode=install"));
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
}

/* Ready, or a lease, or heard of within an hour. */
static void a_card_is_there(void **state)
{
	static const struct {
		enum machine_state state;
		int64_t seen_ago_s;                  /* -1: never */
		int64_t lease_left_s, lease6_left_s; /* 0: none */
		bool there;
	} rows[] = {
	    {MACHINE_DECLARED, -1, 0, 0, false},
	    {MACHINE_READY, -1, 0, 0, true},
	    {MACHINE_READY, 100000, 0, 0, true},
	    {MACHINE_FAILED, 3599, 0, 0, true},
	    {MACHINE_FAILED, 3601, 0, 0, false},
	    {MACHINE_INSTALLED, 3601, 1, 0, true},
	    {MACHINE_INSTALLED, 3601, 0, 1, true},
	    {MACHINE_INSTALLED, 3601, -1, -1, false},
	    {MACHINE_DECLARED, -1, 1, 0, true},
	};
	int64_t now = 1800000000000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct machine_addresses known = {
		    .ends = rows[i].lease_left_s ? now / 1000 + rows[i].lease_left_s : 0,
		    .ends6 = rows[i].lease6_left_s ? now / 1000 + rows[i].lease6_left_s : 0};
		int64_t seen = rows[i].seen_ago_s < 0 ? 0 : now - rows[i].seen_ago_s * 1000;
		if (card_is_there(rows[i].state, seen, &known, now) != rows[i].there)
			fail_msg("row %zu", i);
	}
}

static void anyone_where_so_set(void **state)
{
	(void)state;
	services.any_source = true;
	from = "10.9.9.9";
	assert_int_equal(ask("g", "GET", "/config/" MAC, ""), 200);
	from = "";
	assert_int_equal(ask("g", "GET", "/cloud-init/web1/user-data", ""), 200);
	services.any_source = false;
	from = NULL;
}

/* What the installer says of it is a status: the failure names what was removed. */
static void an_image_removed_meanwhile_is_named(void **state)
{
	static const char failed[] =
	    "{\"phase\":\"rootfs\",\"status\":\"failed\",\"message\":\"the server answered 404\"}";
	char away[300];

	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_int_equal(
	    ask("g", "POST", "/report/" MAC, "{\"phase\":\"rootfs\",\"status\":\"running\"}"), 204);
	snprintf(away, sizeof(away), "%s/away", dir);
	assert_int_equal(rename(file_in(dir, "images/debian-13"), away), 0);
	usleep(1100000); /* it is looked for once a second */
	assert_int_equal(ask("g", "POST", "/report/" MAC, failed), 204);
	assert_int_equal(rename(away, file_in(dir, "images/debian-13")), 0);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(
	    says("\"reason\":\"the server answered 404; the image debian-13 for amd64 cannot "
		 "be used by now: there is no manifest.json\""));
	assert_true(says("\"hint\":\"") && says("vmlab image build debian-13"));
	usleep(1100000);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_int_equal(ask("g", "POST", "/report/" MAC, failed), 204);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"reason\":\"the server answered 404\""));
}

/* Told of what was never begun, from the machine's own address: nothing of it is believed. */
static void nothing_ends_that_was_not_begun(void **state)
{
	static const char told[] = "{\"phase\":\"report\",\"status\":\"done\"}";
	static const char report[] = "/report/52:54:00:00:00:33";

	(void)state;
	write_in(dir, "vms/disk.json",
	    "{\"name\":\"disk\",\"mac\":\"52:54:00:00:00:33\",\"ip\":\"10.0.0.33\","
	    "\"mode\":\"boot\",\"image\":\"tool\",\"unattended\":true}");
	struct err e = ERR_INIT;
	while (vm_store_wait(services.store, 1000, &e) == 1)
		continue;
	assert_int_equal(ask("g", "GET", "/done/52:54:00:00:00:33", ""), 409);
	assert_true(says("disk is not done: it was not given its installer yet"));
	assert_int_equal(ask("g", "POST", report, told), 409);
	assert_true(says("disk is not done: it was not given its installer yet"));
	assert_int_equal(ask("g", "POST", "/report/52:54:00:00:00:33?phase=ready", "a=b"), 409);
	assert_true(says("disk cannot be ready"));
	assert_int_equal(ask("o", "GET", "/api/v1/vms/disk", ""), 200);
	assert_true(says("\"state\":\"waiting\"") && says("\"attempt\":0,"));
	/* One that goes on after the state file was lost is: its installer is there. */
	assert_int_equal(
	    ask("g", "POST", report, "{\"phase\":\"rootfs\",\"status\":\"running\"}"), 204);
	assert_int_equal(ask("g", "GET", "/done/52:54:00:00:00:33", ""), 204);
	write_in(dir, "vms/disk.json",
	    "{\"name\":\"disk\",\"mac\":\"52:54:00:00:00:33\",\"mode\":\"local\","
	    "\"ip\":\"10.0.0.33\"}");
	while (vm_store_wait(services.store, 1000, &e) == 1)
		continue;
}

static void host_keys_once(void **state)
{
	static const char first[] =
	    "pub_key_ed25519=ssh-ed25519+AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT";
	static const char second[] =
	    "pub_key_ed25519=ssh-ed25519+AAAAC3NzaC1lZDI1NTE5AAAAIGo1v8bVn2yqQm0sZ7kTqf0t3hR9cLx5uJwE4dPa6iXo";

	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_int_equal(
	    ask("g", "POST", "/report/" MAC, "{\"phase\":\"report\",\"status\":\"done\"}"), 204);
	assert_int_equal(ask("g", "POST", "/report/" MAC "?phase=ready", first), 204);
	assert_int_equal(ask("g", "POST", "/report/" MAC "?phase=ready", second), 204);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("IJ3qNw6yT0aB") && !says("IGo1v8bVn2yq"));
}

static void operator_statuses(void **state)
{
	(void)state;
	assert_int_equal(ask("o", "GET", "/healthz", ""), 200);
	assert_int_equal(ask("o", "GET", "/readyz", ""), 200);
	assert_int_equal(ask("o", "GET", "/api/v1/vms", ""), 200);
	assert_true(says("\"name\":\"arm\"") && says("\"file\":\"broken.json\""));
	assert_int_equal(ask("o", "GET", "/api/v1/vms/nobody", ""), 404);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/nobody/local", ""), 404);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/explode", ""), 404);
	assert_true(says("reinstall and local"));
	assert_int_equal(ask("o", "GET", "/api/v1/vms/web1/local", ""), 405);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/disk/reinstall", ""), 409);
	assert_int_equal(ask("o", "GET", "/ipxe?mac=" MAC, ""), 404);
}

static void network_boot_is_switched(void **state)
{
	(void)state;
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/netboot/off", ""), 200);
	assert_true(says("\"netboot\":false") && says("\"does\":\"off\",\"ends\":"));
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(says("vmlab netboot web1 on") && says("exit 1\n") && !says("kernel "));
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/reinstall", ""), 409);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/netboot/maybe", ""), 404);
	assert_true(says("the actions are off and on"));
	assert_int_equal(ask("o", "POST", "/api/v1/vms/nobody/netboot/off", ""), 404);
	assert_int_equal(ask("o", "POST", "/api/v1/vms/web1/netboot/on", ""), 200);
	assert_true(says("\"netboot\":true"));
	assert_int_equal(ask("g", "GET", "/ipxe?mac=" MAC, ""), 200);
	assert_true(!says("vmlab netboot"));
}

static void operators_socket_is_his_alone(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(file_in(dir, "o"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void operator_over_tcp(void **state)
{
	static const struct {
		const char *line, *headers;
		int status;
	} table[] = {
	    {"GET /api/v1/vms", "Host: localhost\r\nAuthorization: Bearer " TOKEN "\r\n", 200},
	    {"POST /api/v1/vms/web1/local",
		"Host: localhost\r\nAuthorization: Bearer " TOKEN "\r\n", 200},
	    {"GET /api/v1/nosuch", "Host: localhost\r\nAuthorization: Bearer " TOKEN "\r\n", 404},
	    {"GET /api/v1/vms",
		"Host: localhost\r\nHost: localhost\r\nAuthorization: Bearer " TOKEN "\r\n", 400},
	    {"GET /api/v1/vms",
		"Host: localhost\r\nhost: evil.example\r\nAuthorization: Bearer " TOKEN "\r\n",
		400},
	    {"GET /api/v1/vms",
		"Host: localhost\r\nAuthorization: Bearer x\r\nAuthorization: Bearer " TOKEN "\r\n",
		400},
	    {"GET /api/v1/vms",
		"Host: localhost\r\nAuthorization: Bearer " TOKEN "\r\nauthorization: Basic x\r\n",
		400},
	    {"POST /api/v1/vms/web1/local",
		"Host: localhost\r\nOrigin: http://localhost\r\n"
		"Origin: http://evil.example\r\nAuthorization: Bearer " TOKEN "\r\n",
		400},
	    {"GET /api/v1/vms", "Host: localhost\r\n", 401},
	    {"GET /healthz", "Host: localhost\r\n", 401},
	    {"GET /api/v1/nosuch", "Host: localhost\r\n", 401},
	    {"DELETE /api/v1/vms", "Host: localhost\r\n", 401},
	    {"GET /api/v1/vms", "Host: localhost\r\nAuthorization: Bearer " TOKEN "4\r\n", 401},
	    {"GET /api/v1/vms", "Host: evil.example\r\nAuthorization: Bearer " TOKEN "\r\n", 403},
	    {"POST /api/v1/vms/web1/reinstall",
		"Host: localhost\r\nOrigin: http://evil.example\r\nAuthorization: Bearer " TOKEN
		"\r\n",
		403},
	    /* what an HTML form can send, in a browser that tells the origin and in one that does
	       not */
	    {"POST /api/v1/vms/web1/reinstall",
		"Host: localhost\r\nOrigin: http://evil.example\r\n"
		"Content-Type: application/x-www-form-urlencoded\r\n",
		403},
	    {"POST /api/v1/vms/web1/reinstall", "Host: localhost\r\nContent-Type: text/plain\r\n",
		401},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[600];
		int n = snprintf(text, sizeof(text),
		    "%s HTTP/1.1\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
		    table[i].line, table[i].headers);
		int status = exchange("tcp", text, (size_t)n, answer);
		if (status != table[i].status)
			fail_msg("case %zu: %d, not %d: %s", i, status, table[i].status, answer);
		assert_int_equal(status == 401, says("WWW-Authenticate: Bearer"));
		assert_int_equal(status >= 400, says("{\"error\":\""));
		assert_false(says(TOKEN));
	}
}

static void bodies_have_a_limit(void **state)
{
	size_t size = 200000;
	char *text = malloc(size + 300);

	(void)state;
	int head = sprintf(text,
	    "POST /report/" MAC " HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
	assert_int_equal(exchange("g", text, (size_t)head, answer), 413);
	head = sprintf(text,
	    "POST /report/" MAC " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
	    size);
	memset(text + head, ' ', size);
	memcpy(text + head + size, "\r\n0\r\n\r\n", 7);
	assert_int_equal(exchange("g", text, (size_t)head + size + 7, answer), 413);
	free(text);
}

static int ask_with(const char *name, const char *target, const char *field, size_t size)
{
	char *text = malloc(size + 300);
	int head =
	    sprintf(text, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s: ", target, field);

	memset(text + head, 'a', size);
	memcpy(text + head + size, "\r\n\r\n", 4);
	int status = exchange(name, text, (size_t)head + size + 4, answer);
	free(text);
	return status;
}

/* Of a browser's size they are borne; at none of the sizes around the limit, where the library may
 * have no room for an answer, is something done and not answered. */
static void headers_have_a_limit(void **state)
{
	static const char reinstall[] = "POST /api/v1/vms/web1/reinstall";

	(void)state;
	assert_int_equal(ask_with("o", reinstall, "Cookie", 8000), 200);
	for (size_t size = SERVER_OPERATOR_BYTES - 3000; size < SERVER_OPERATOR_BYTES; size += 50) {
		assert_int_equal(ask_with("o", "POST /api/v1/vms/web1/local", "X-Small", 10), 200);
		int status = ask_with("o", reinstall, "X-Big", size);
		assert_int_equal(ask("o", "GET", "/api/v1/vms/web1", ""), 200);
		assert_int_equal(says("\"local\":false"), status == 200);
	}
	assert_int_equal(ask_with("o", reinstall, "X-Big", SERVER_OPERATOR_BYTES - 1000), 431);
	assert_int_equal(ask_with("o", "POST /api/v1/vms/web1/local", "X-Small", 10), 200);
}

/* Whatever comes, the server lives. */
static void broken_http(void **state)
{
	static const char *const texts[] = {
	    "\r\n\r\n",
	    "GARBAGE\r\n\r\n",
	    "GET\r\n\r\n",
	    "GET /ipxe?mac=" MAC " HTTP/9.9\r\n\r\n",
	    "GET /ipxe?mac=" MAC " HTTP/1.1\r\nHost",
	    "POST /report/" MAC " HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
	    "POST /report/" MAC " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "POST /report/" MAC " HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nshort",
	    "GET /ipxe?mac=\x01\xff HTTP/1.1\r\nHost: x\r\n\r\n",
	};
	char *huge = malloc(100000);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		exchange("g", texts[i], strlen(texts[i]), answer);
	memset(huge, 'a', 100000);
	memcpy(huge, "GET /", 5);
	exchange("g", huge, 100000, answer);
	free(huge);
	assert_int_equal(ask("g", "GET", "/healthz", ""), 200);
}

static atomic_bool done;
static atomic_int asked;

static void *keep_asking(void *ctx)
{
	char text[ANSWER_MAX];
	const char *request =
	    "GET /ipxe?mac=" MAC " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

	while (!atomic_load(&done)) {
		if (exchange("g", request, strlen(request), text) != 200)
			atomic_store((atomic_bool *)ctx, true);
		atomic_fetch_add(&asked, 1);
	}
	return NULL;
}

static void definitions_change_meanwhile(void **state)
{
	pthread_t threads[3];
	atomic_bool failed = false;
	struct err e = ERR_INIT;
	char text[200];
	int published = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, keep_asking, &failed);
	for (int i = 0; i < 30 || (atomic_load(&asked) < 300 && i < 300); i++) {
		snprintf(text, sizeof(text), "{\"name\":\"web1\",\"mac\":\"" MAC "\",\"cpus\":%d}",
		    i % 8 + 1);
		write_in(dir, "vms/web1.json", text);
		published += vm_store_wait(services.store, 500, &e) == 1;
	}
	atomic_store(&done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_false(failed);
	assert_true(published > 5);
}

/* Its files as the manifest says, and it is booted; of what lacks the machine is told. */
static void boot_image(void **state)
{
	const char *ipxe = "/ipxe?mac=52:54:00:00:00:55";
	struct err e = ERR_INIT;

	(void)state;
	from = "10.0.0.55";
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(
	    says("live waits for the image images/tool/amd64") && says("vmlab image add tool"));
	write_in(dir, "images/tool/amd64/vmlinuz", "1234");
	write_in(dir, "images/tool/amd64/initrd-1", "12345");
	write_in(dir, "images/tool/amd64/manifest.json",
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"tool\",\"arch\":\"amd64\",\"boot\":{"
	    "\"kernel\":" FILE_OF("vmlinuz") "},\"initrds\":[" FILE_OF(
		"initrd-1") "}],"
			    "\"args\":\"from={image_url} who={mac}\"}}");
	sleep(1);
	usleep(100000);
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(says("its file vmlinuz has 4 bytes, the manifest says 5"));
	write_in(dir, "images/tool/amd64/vmlinuz", "12345");
	sleep(1);
	usleep(100000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask("g", "GET", ipxe, ""), 200);
		assert_true(says("kernel http://192.168.100.1/images/tool/amd64/vmlinuz") &&
			    says("initrd http://192.168.100.1/images/tool/amd64/initrd-1") &&
			    says(" from=http://192.168.100.1/images/tool/amd64 "
				 "who=52:54:00:00:00:55 "));
	}
	assert_int_equal(ask("o", "GET", "/api/v1/vms/live", ""), 200);
	assert_true(says("\"does\":\"boot\",\"ends\":\"started\""));
	assert_int_equal(ask("o", "POST", "/api/v1/vms/live/reinstall", ""), 409);
	assert_int_equal(ask("g", "POST", "/done/52:54:00:00:00:55", ""), 409);
	assert_true(says("is not installed by a boot image"));
	assert_int_equal(ask("g", "PUT", "/done/52:54:00:00:00:55", ""), 405);
	assert_true(says("Allow: GET, HEAD, POST"));
	/* With the field it is installed by that image, if the image can: then the disk follows. */
	write_in(dir, "vms/live.json",
	    "{\"name\":\"live\",\"mac\":\"52:54:00:00:00:55\",\"ip\":\"10.0.0.55\","
	    "\"mode\":\"boot\",\"image\":\"tool\",\"unattended\":true}");
	while (vm_store_wait(services.store, 1000, &e) == 1)
		;
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(says("it says nothing of an installation without questions"));
	write_in(dir, "images/tool/amd64/manifest.json",
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"tool\",\"arch\":\"amd64\",\"boot\":{"
	    "\"kernel\":" FILE_OF("vmlinuz") "},\"unattended_args\":\"url={unattended_url}\"}}");
	sleep(1);
	usleep(100000);
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(says("url=http://192.168.100.1/unattended/52:54:00:00:00:55 "));
	assert_int_equal(ask("g", "GET", "/unattended/52:54:00:00:00:55/meta-data", ""), 200);
	assert_true(
	    says("\"instance-id\": \"live-unattended-1\"") && says("\"local-hostname\": \"live\""));
	assert_int_equal(ask("g", "GET", "/unattended/52:54:00:00:00:55/user-data", ""), 409);
	assert_true(says("nothing tells which installer's file the image tool takes"));
	assert_int_equal(ask("g", "GET", "/unattended/52:54:00:00:00:55/vendor-data", ""), 200);
	assert_int_equal(ask("g", "GET", "/unattended/52:54:00:00:00:55/network-config", ""), 200);
	assert_int_equal(ask("g", "GET", "/unattended/52:54:00:00:00:55/x", ""), 404);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/live", ""), 200);
	assert_true(says("\"state\":\"booting\"") && says("\"ends\":\"installed\""));
	assert_int_equal(ask("g", "HEAD", "/done/52:54:00:00:00:55", ""), 204);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/live", ""), 200);
	assert_true(says("\"state\":\"booting\""));
	assert_int_equal(ask("g", "GET", "/done/52:54:00:00:00:55", ""), 204);
	assert_int_equal(ask("g", "POST", "/done/52:54:00:00:00:55", ""), 204);
	assert_int_equal(ask("o", "GET", "/api/v1/vms/live", ""), 200);
	assert_true(says("\"state\":\"installed\"") && says("\"does\":\"local\""));
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(says("live boots from its disk"));
	assert_int_equal(ask("o", "POST", "/api/v1/vms/live/reinstall", ""), 200);
	assert_int_equal(ask("g", "GET", "/done/52:54:00:00:00:55", ""), 409);
	assert_true(says("a reinstall is due"));
	assert_int_equal(ask("g", "GET", ipxe, ""), 200);
	assert_true(says("live is installed by tool, attempt 2"));
	from = NULL;
}

/* A stack that was built for the other architecture alone says so, and not that the image is
 * missing. */
static void installer_of_one_architecture(void **state)
{
	static struct images *images;
	struct image_facts facts;
	char installers[PATH_MAX];
	struct err e = ERR_INIT;

	(void)state;
	write_in(dir, "installers/arm64/initrd.zst", "there");
	snprintf(installers, sizeof(installers), "%s", file_in(dir, "installers"));
	assert_int_equal(images_new(served_images, NULL, NULL, installers, &images, &e), 0);
	assert_false(images_has(images, "debian-13", VM_ARCH_AMD64));
	images_facts(images, "debian-13", VM_ARCH_AMD64, IMAGE_INSTALLED, &facts);
	assert_non_null(strstr(facts.missing.what, "without the installer for amd64"));
	assert_non_null(strstr(facts.missing.advice, "make load"));
	images_free(images);

	write_in(dir, "installers/amd64/initrd.zst", "there");
	assert_int_equal(images_new(served_images, NULL, NULL, installers, &images, &e), 0);
	assert_true(images_has(images, "debian-13", VM_ARCH_AMD64));
	images_free(images);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(guest_statuses),
	    cmocka_unit_test(whole_install),
	    cmocka_unit_test(only_itself),
	    cmocka_unit_test(known_by_serial),
	    cmocka_unit_test(its_mac_is_learned),
	    cmocka_unit_test(a_learned_mac_that_is_declared_is_the_declared_ones),
	    cmocka_unit_test(no_other_card_while_its_own_is_there),
	    cmocka_unit_test(a_card_is_there),
	    cmocka_unit_test(anyone_where_so_set),
	    cmocka_unit_test(an_image_removed_meanwhile_is_named),
	    cmocka_unit_test(nothing_ends_that_was_not_begun),
	    cmocka_unit_test(host_keys_once),
	    cmocka_unit_test(operator_statuses),
	    cmocka_unit_test(network_boot_is_switched),
	    cmocka_unit_test(operators_socket_is_his_alone),
	    cmocka_unit_test(operator_over_tcp),
	    cmocka_unit_test(bodies_have_a_limit),
	    cmocka_unit_test(headers_have_a_limit),
	    cmocka_unit_test(broken_http),
	    cmocka_unit_test(installer_of_one_architecture),
	    cmocka_unit_test(boot_image),
	    cmocka_unit_test(definitions_change_meanwhile),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
