/* What dnsmasq tells of leases, and what of it is news. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/sources/lease_effect.h"
#include "boot_handler/sources/lease_memory.h"
#include "boot_handler/sources/lease_sender.h"
#include "boot_handler/state/state.h"
#include "lib/base/log.h"
#include "lib/base/test_folder.h"

/* Sends the event to a socket of the test's and reads it there. Returns the exit status. */
static int lease_event(int argc, char **argv, struct lease *out)
{
	char path[] = "/tmp/test_lease.XXXXXX", text[500];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct err e = ERR_INIT;

	assert_non_null(mkdtemp(path));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("BOOT_HANDLER_LEASE_SOCKET", address.sun_path, 1);
	int status = lease_event_main(argc, argv);
	ssize_t n = recv(fd, text, sizeof(text), 0);
	assert_true(n > 0);
	if (lease_parse(text, (size_t)n, out, &e) < 0)
		fail_msg("%s", e.msg);
	close(fd);
	unlink(address.sun_path);
	rmdir(path);
	return status;
}

static void leases(void **state)
{
	static const char *const wrong[] = {"", "add", "add 52:54:00:00:00:11", "tftp 1 2 3",
	    "add 52:54:00:00:00:11 1.2.3.4", "add 52:54:00:00:00:11 1.2.3.4 x",
	    "add 52:54:00:00:00:11 1.2.3.4 -1",
	    "add 52:54:00:00:00:11 1.2.3.4 99999999999999999999",
	    "add 52:54:00:00:00:11 fd00::1:: -", "add 52:54:00:00:00:11 1.2.3.4 - x y",
	    "add 06-52:54:00:00:00:11 1.2.3.4 -", "add 00:01:00:01:2a fd00::1 -"};
	static const char add[] = "add 52:54:00:00:00:11 1.2.3.4 -",
			  del[] = "del 52:54:00:00:00:11 1.2.3.4 7";
	static const char six[] = "old - fd00::1 1700003600 web1.pvmlab.local";
	struct err e = ERR_INIT;
	struct lease lease;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(lease_parse(wrong[i], strlen(wrong[i]), &lease, &e), -EINVAL);
	assert_int_equal(lease_parse(add, strlen(add), &lease, &e), 0);
	assert_int_equal(lease.ip.s_addr, htonl(0x01020304));
	assert_false(lease.gone || lease.six || lease.name[0]);
	assert_true(lease.has_mac && lease.added && lease.ends == 0);
	assert_int_equal(lease_parse(six, strlen(six), &lease, &e), 0);
	assert_true(lease.six && !lease.has_mac && !lease.added && ip6_is_set(&lease.ip6));
	assert_int_equal(lease.ends, 1700003600);
	assert_string_equal(lease.name, "web1");
	assert_int_equal(lease_parse(del, strlen(del), &lease, &e), 0);
	assert_true(lease.gone);
}

/* What dnsmasq's helper runs, as it does: the event as arguments and in the environment. */
static void what_firmware_shows_comes_along(void **state)
{
	static const struct {
		const char *vendor_class, *client_id, *arch, *uuid, *tags, *platform;
	} rows[] = {
	    {"PXEClient:Arch:00007:UNDI:003016", NULL, "amd64", "", NULL, NULL},
	    {"PXEClient:Arch:0000b:UNDI:003000", NULL, "arm64", "", NULL, NULL},
	    {"PXEClient:Arch:00011:UNDI:003000", NULL, "arm64", "", NULL, NULL},
	    {"HTTPClient:Arch:00016:UNDI:003001", NULL, "amd64", "", NULL, NULL},
	    /* A BIOS, and a Raspberry Pi: told apart by dnsmasq's tag. */
	    {"PXEClient:Arch:00000:UNDI:002001", NULL, "", "", "pxe eth1", ""},
	    {"PXEClient:Arch:00000:UNDI:002001", NULL, "arm64", "", "pxe rpi eth1", "rpi"},
	    {"PXEClient:Arch:00000:UNDI:002001", NULL, "", "", "rpi4 xrpi", ""},
	    {NULL, NULL, "arm64", "", "rpi", "rpi"},
	    {"PXEClient:Arch:7", NULL, "", "", NULL, NULL},
	    {"PXEClient:Arch:00007 arch=11 uuid=x", NULL, "amd64", "", NULL, NULL},
	    {"MSFT 5.0", "01:52:54:00:00:00:11", "", "", NULL, NULL},
	    {NULL, "00:2c:34:1a:6f:6d:5b:7f:4e:8a:9b:0c:1d:2e:3f:4a:5b", "",
		"6f1a342c-5b6d-4e7f-8a9b-0c1d2e3f4a5b", NULL, NULL},
	    {NULL, "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00", "", "", NULL, NULL},
	    {NULL, "00:2c:34", "", "", NULL, NULL},
	    {"PXEClient:Arch:00009:x", "00:2c:34:1a:6f:6d:5b:7f:4e:8a:9b:0c:1d:2e:3f:4a:5b",
		"amd64", "6f1a342c-5b6d-4e7f-8a9b-0c1d2e3f4a5b", NULL, NULL},
	};
	static const char fetch[] = "tftp - 1.2.3.4 7 /run/x/tftp/grub/\033.cfg";
	char *lease_of[] = {"add", "52:54:00:00:00:11", "1.2.3.4", "web1"};
	struct err e = ERR_INIT;
	struct lease lease;

	(void)state;
	assert_int_equal(lease_parse(fetch, strlen(fetch), &lease, &e), 0);
	assert_true(lease.fetched && !lease.has_mac && lease.ip.s_addr == htonl(0x01020304));
	assert_string_equal(lease.file, "grub/?.cfg");
	assert_int_equal(lease.size, 7);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsetenv("DNSMASQ_VENDOR_CLASS");
		unsetenv("DNSMASQ_CLIENT_ID");
		setenv("DNSMASQ_TAGS", rows[i].tags ? rows[i].tags : "", 1);
		if (rows[i].vendor_class)
			setenv("DNSMASQ_VENDOR_CLASS", rows[i].vendor_class, 1);
		if (rows[i].client_id)
			setenv("DNSMASQ_CLIENT_ID", rows[i].client_id, 1);
		for (int named = 0; named < 2; named++) {
			assert_int_equal(lease_event(3 + named, lease_of, &lease), 0);
			assert_string_equal(lease.arch, rows[i].arch);
			assert_string_equal(lease.platform, rows[i].platform  ? rows[i].platform
							    : rows[i].arch[0] ? "efi"
									      : "");
			assert_string_equal(lease.uuid, rows[i].uuid);
			assert_string_equal(lease.name, named ? "web1" : "");
		}
	}
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

/* dnsmasq tells every lease again when definitions change: only what differs was asked for. */
static void what_is_told_again_was_not_asked_for(void **state)
{
	static struct lease_memory memory;
	struct lease lease = {
	    .has_mac = true, .mac = {{0x52, 0x54, 0, 0, 0, 1}}, .ip = {1}, .ends = 100};
	struct lease nameless = {.six = true, .added = true};

	(void)state;
	lease_memory_init(&memory);
	assert_false(lease_memory_asked(&memory, &lease)); /* told at our start */
	lease_memory_take(&memory, &lease);
	assert_false(lease_memory_asked(&memory, &lease));
	lease.ends = 200;
	assert_true(lease_memory_asked(&memory, &lease));
	lease_memory_take(&memory, &lease);
	assert_false(lease_memory_asked(&memory, &lease));
	lease.added = true;
	assert_true(lease_memory_asked(&memory, &lease));
	lease.gone = true;
	assert_false(lease_memory_asked(&memory, &lease));
	assert_false(lease_memory_asked(&memory, &nameless));
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
	assert_true(lease_memory_take(&memory, &lease));
	assert_false(lease_memory_take(&memory, &lease));
	assert_true(lease_memory_take(&memory, &six));
	assert_false(lease_memory_take(&memory, &nameless));
	lease_memory_replay(&memory, take_none, &count);
	assert_int_equal(count, 2);
	lease.gone = true;
	lease.ip.s_addr = 2; /* the end of another one */
	assert_false(lease_memory_take(&memory, &lease));
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

/* ---- what it changes ---------------------------------------------------------------------- */

static struct in_addr ip4(const char *text)
{
	struct in_addr ip = {0};

	assert_true(!text || inet_pton(AF_INET, text, &ip) == 1);
	return ip;
}

static struct in6_addr ip6(const char *text)
{
	struct in6_addr ip = in6addr_any;

	assert_true(!text || inet_pton(AF_INET6, text, &ip) == 1);
	return ip;
}

static struct lease lease_of(const char *event)
{
	struct err e = ERR_INIT;
	struct lease lease;

	if (lease_parse(event, strlen(event), &lease, &e) < 0)
		fail_msg("%s: %s", event, e.msg);
	return lease;
}

#define M "52:54:00:00:00:11"
#define GIVEN 1
#define RELEASED 2
#define TAKEN 4

/* Addresses of one family; the other's stay what they were. */
static const struct {
	const char *what, *declared, *leased, *seen;
	int64_t ends;
	const char *event;
	int effect;
	const char *leased_after, *seen_after;
	int64_t ends_after;
} rows[] = {
    {"its first", NULL, NULL, NULL, 0, "add " M " 10.0.0.1 100", GIVEN | TAKEN, "10.0.0.1", NULL,
	100},
    {"told again", NULL, "10.0.0.1", NULL, 100, "old " M " 10.0.0.1 100", 0, "10.0.0.1", NULL, 100},
    {"told again, declared", "10.0.0.1", "10.0.0.1", NULL, 100, "old " M " 10.0.0.1 100", 0,
	"10.0.0.1", NULL, 100},
    {"renewed", NULL, "10.0.0.1", NULL, 100, "old " M " 10.0.0.1 200", GIVEN, "10.0.0.1", NULL,
	200},
    {"renewed for ever", NULL, "10.0.0.1", NULL, 100, "old " M " 10.0.0.1 -", 0, "10.0.0.1", NULL,
	0},
    {"told after a restart of ours", NULL, "10.0.0.1", NULL, 0, "old " M " 10.0.0.1 200", 0,
	"10.0.0.1", NULL, 200},
    {"given anew after a restart of ours", NULL, "10.0.0.1", NULL, 0, "add " M " 10.0.0.1 200",
	GIVEN | TAKEN, "10.0.0.1", NULL, 200},
    {"another one", "10.0.0.1", "10.0.0.1", NULL, 100, "add " M " 10.0.0.9 100", GIVEN | TAKEN,
	"10.0.0.9", NULL, 100},
    {"another one, told only", NULL, "10.0.0.1", NULL, 100, "old " M " 10.0.0.9 200", GIVEN | TAKEN,
	"10.0.0.9", NULL, 200},
    {"another one after a restart of ours", NULL, "10.0.0.1", NULL, 0, "old " M " 10.0.0.9 200",
	GIVEN | TAKEN, "10.0.0.9", NULL, 200},
    {"its other card's older one, told again", NULL, "10.0.0.1", NULL, 200,
	"old " M " 10.0.0.9 100", 0, "10.0.0.1", NULL, 200},
    {"its other card's, as old", NULL, "10.0.0.1", NULL, 200, "old " M " 10.0.0.9 200", 0,
	"10.0.0.1", NULL, 200},
    {"where it was seen", NULL, NULL, "10.0.0.5", 0, "add " M " 10.0.0.5 100", GIVEN | TAKEN,
	"10.0.0.5", NULL, 100},
    {"not where it was seen", NULL, NULL, "10.0.0.5", 0, "add " M " 10.0.0.1 100", GIVEN | TAKEN,
	"10.0.0.1", "10.0.0.5", 100},
    {"its end", NULL, "10.0.0.1", "10.0.0.5", 100, "del " M " 10.0.0.1 100", RELEASED, NULL,
	"10.0.0.5", 0},
    {"the end of an older one", NULL, "10.0.0.1", NULL, 100, "del " M " 10.0.0.9 90", 0, "10.0.0.1",
	NULL, 100},
    {"the end of none", NULL, NULL, NULL, 0, "del " M " 10.0.0.9 90", 0, NULL, NULL, 0},
    {"IPv6: its first", NULL, NULL, NULL, 0, "add - fd00::1 100", GIVEN | TAKEN, "fd00::1", NULL,
	100},
    {"IPv6: told again", "fd00::1", "fd00::1", NULL, 100, "old - fd00::1 100", 0, "fd00::1", NULL,
	100},
    {"IPv6: renewed", "fd00::1", "fd00::1", NULL, 100, "old - fd00::1 200", GIVEN, "fd00::1", NULL,
	200},
    {"IPv6: the declared one after another", "fd00::1", "fd00::9", NULL, 100, "add - fd00::1 200",
	GIVEN | TAKEN, "fd00::1", NULL, 200},
    {"IPv6: a second one beside the declared", "fd00::1", "fd00::1", NULL, 100, "add - fd00::9 200",
	TAKEN, "fd00::1", NULL, 100},
    {"IPv6: the end of the second one", "fd00::1", "fd00::1", NULL, 100, "del - fd00::9 200", 0,
	"fd00::1", NULL, 100},
    {"IPv6: not declared, not had", "fd00::1", NULL, NULL, 0, "add - fd00::9 200", GIVEN | TAKEN,
	"fd00::9", NULL, 200},
    {"IPv6: that of the system before, told again", NULL, "fd00::1", NULL, 200, "old - fd00::9 100",
	0, "fd00::1", NULL, 200},
    {"IPv6: none declared", NULL, "fd00::1", NULL, 100, "add - fd00::9 200", GIVEN | TAKEN,
	"fd00::9", NULL, 200},
    {"IPv6: where it was seen", "fd00::1", NULL, "fd00::1", 0, "add - fd00::1 100", GIVEN | TAKEN,
	"fd00::1", NULL, 100},
    {"IPv6: its end", "fd00::1", "fd00::1", NULL, 100, "del - fd00::1 100", RELEASED, NULL, NULL,
	0},
};

static void effects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lease lease = lease_of(rows[i].event);
		struct machine_addresses known = {
		    .leased_ip = ip4("10.9.9.9"), .leased_ip6 = ip6("fd99::9")};
		struct vm vm = {.name = (char *)"web1"};
		struct machine_addresses wanted;

		if (lease.six) {
			vm.has_ip6 = rows[i].declared != NULL;
			vm.ip6 = ip6(rows[i].declared);
			known.leased_ip6 = ip6(rows[i].leased);
			known.seen_ip6 = ip6(rows[i].seen);
			known.ends6 = rows[i].ends;
			wanted = known;
			wanted.leased_ip6 = ip6(rows[i].leased_after);
			wanted.seen_ip6 = ip6(rows[i].seen_after);
			wanted.ends6 = rows[i].ends_after;
		} else {
			vm.ip = ip4(rows[i].declared);
			known.leased_ip = ip4(rows[i].leased);
			known.seen_ip = ip4(rows[i].seen);
			known.ends = rows[i].ends;
			wanted = known;
			wanted.leased_ip = ip4(rows[i].leased_after);
			wanted.seen_ip = ip4(rows[i].seen_after);
			wanted.ends = rows[i].ends_after;
		}
		struct lease_effect f = lease_effect(&vm, &known, &lease);
		int effect = f.given * GIVEN | f.released * RELEASED | f.taken * TAKEN;
		if (effect != rows[i].effect || memcmp(&f.after, &wanted, sizeof(wanted)) != 0)
			fail_msg("%s: effect %d", rows[i].what, effect);
	}
}

/* ---- events, and who has which address ------------------------------------------------------ */

static struct state *open_state(const char *name)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	if (state_open(at(name), &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void count_one(void *ctx, const struct event *event)
{
	unsigned *count = ctx;

	(void)event;
	++*count;
}

static unsigned events_of(struct state *s)
{
	struct event_query query = {.limit = 100000, .vm = ""};
	struct err e = ERR_INIT;
	unsigned count = 0;

	assert_int_equal(state_save(s, &e), 0);
	assert_int_equal(state_events(s, &query, count_one, &count, &e), 0);
	return count;
}

static atomic_uint told;

static void tell(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&told, 1);
}

/* dnsmasq reads its files again: nothing has happened, and nobody is told so. */
static void repeats(void **state)
{
	struct vm web1 = {.name = (char *)"web1", .mac = {{0x52, 0x54, 0, 0, 0, 0x11}}};
	struct lease four = lease_of("add " M " 10.0.0.1 1000"),
		     six = lease_of("add - fd00::1 1000");
	struct state *s = open_state("repeats.db");
	struct machine_row row;

	(void)state;
	state_leased(s, &web1, &four);
	state_leased(s, &web1, &six);
	assert_int_equal(events_of(s), 2);
	assert_true(state_row(s, &web1.mac, &row));
	int64_t seen_ms = row.last_seen_ms;
	four.added = six.added = false;
	state_on_addresses(s, tell, NULL);
	for (int i = 0; i < 1000; i++) {
		state_leased(s, &web1, &four);
		state_leased(s, &web1, &six);
	}
	assert_int_equal(events_of(s), 2);
	assert_int_equal(atomic_load(&told), 0);
	assert_true(state_row(s, &web1.mac, &row));
	assert_int_equal(row.last_seen_ms, seen_ms);
	state_on_addresses(s, NULL, NULL);
	state_close(s);
	s = open_state("repeats.db"); /* after a restart, too */
	state_leased(s, &web1, &four);
	state_leased(s, &web1, &six);
	assert_int_equal(events_of(s), 2);
	state_close(s);
}

/* A guest that asks and declines without end does not push out what others have done. */
static void floods(void **state)
{
	struct vm guest = {.name = (char *)"guest", .mac = {{0x52, 0x54, 0, 0, 0, 0x11}}};
	struct vm other = {.name = (char *)"other", .mac = {{0x52, 0x54, 0, 0, 0, 0x12}}};
	struct lease given = lease_of("add " M " 10.0.0.1 1000"),
		     gone = lease_of("del " M " 10.0.0.1 1000");
	struct state *s = open_state("floods.db");
	struct machine_addresses a;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		state_leased(s, &guest, &given);
		state_leased(s, &guest, &gone);
	}
	state_leased(s, &guest, &given);
	assert_in_range(events_of(s), 60, 70);
	assert_true(state_addresses(s, &guest.mac, &a)); /* it is known all the same */
	assert_int_equal(a.leased_ip.s_addr, given.ip.s_addr);
	unsigned before = events_of(s);
	state_leased(s, &other, &(struct lease){.added = true, .ip = ip4("10.0.0.2")});
	assert_int_equal(events_of(s), before + 1);
	state_close(s);
}

static bool counts(void *ctx, const struct mac *mac)
{
	return !ctx || mac->octet[5] == *(const int *)ctx;
}

static void who_has(void **state)
{
	struct lease lease = {.added = true, .ip = ip4("10.0.0.1")};
	struct in6_addr one = ip4_mapped(lease.ip), six = ip6("fd00::50");
	const struct mac asks = {{0x52, 0x54, 0, 0, 0, 0x99}};
	struct state *s = open_state("who.db");
	struct machine_addresses a;
	int last = 39;

	(void)state;
	for (int i = 0; i < 40; i++) { /* more than are looked at at once */
		struct vm vm = {.name = (char *)"vm", .mac = {{0x52, 0x54, 0, 0, 0, (uint8_t)i}}};
		state_seen_from(s, &vm.mac, vm.name, "10.0.0.1");
		state_seen_from(s, &vm.mac, vm.name, "fd00::50");
	}
	assert_true(state_is_anothers(s, &asks, &one, counts, NULL));
	assert_true(state_is_anothers(s, &asks, &six, counts, &last));
	state_close(s);
	s = open_state("who.db");
	assert_true(state_is_anothers(s, &asks, &one, counts, &last));
	last = 77;
	assert_false(state_is_anothers(s, &asks, &one, counts, &last));
	struct vm vm = {.name = (char *)"asks", .mac = asks};
	state_leased(s, &vm, &lease);
	assert_false(state_is_anothers(s, &asks, &one, counts, NULL));
	assert_true(state_is_anothers(s, &asks, &six, counts, NULL));
	for (int i = 0; i < 40; i++) {
		struct mac mac = {{0x52, 0x54, 0, 0, 0, (uint8_t)i}};
		assert_true(state_is_anothers(s, &mac, &one, counts, NULL));
		assert_true(state_addresses(s, &mac, &a));
		assert_int_equal(a.seen_ip.s_addr, 0);
	}
	state_close(s);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_firmware_shows_comes_along),
	    cmocka_unit_test(leases),
	    cmocka_unit_test(undeclared_leases),
	    cmocka_unit_test(what_is_told_again_was_not_asked_for),
	    cmocka_unit_test(effects),
	    cmocka_unit_test(repeats),
	    cmocka_unit_test(floods),
	    cmocka_unit_test(who_has),
	};

	return cmocka_run_group_tests(tests, make_silent_folder, remove_folder);
}
