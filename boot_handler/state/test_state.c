/* State transitions, and what of them survives a restart, kill -9 and a damaged file. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/state/state.h"
#include "lib/base/log.h"

static const struct mac mac = {{0x52, 0x54, 0, 0, 0, 0x11}};

static const struct vm web1 = {.name = (char *)"web1", .mac = {{0x52, 0x54, 0, 0, 0, 0x11}}};

#define INSTALL ((struct boot_choice){&boot_mode_install, BOOT_GOES})
#define LOCAL ((struct boot_choice){&boot_mode_local, BOOT_GOES})
#define FAILED ((struct boot_choice){&boot_mode_install, BOOT_FAILED})

struct fixture {
	char dir[64];
	char file[128];
	struct state *s;
};

static struct state *open_state(const struct fixture *f)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	if (state_open(f->file, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_state.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/state.db", f->dir);
	f->s = open_state(f);
	*state = f;
	return 0;
}

static int count_files(const char *dir, const char *part, bool unlink_all)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (const struct dirent *one; (one = readdir(d)) != NULL;) {
		if (one->d_name[0] == '.')
			continue;
		n += strstr(one->d_name, part) != NULL;
		if (unlink_all)
			unlinkat(dirfd(d), one->d_name, 0);
	}
	closedir(d);
	return n;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	state_close(f->s);
	count_files(f->dir, "", true);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	state_close(f->s);
	f->s = NULL;
	f->s = open_state(f);
}

static int report(struct state *s, enum machine_phase phase, enum report_status status)
{
	struct report r = {.phase = phase,
	    .status = status,
	    .bytes = 7,
	    .total_bytes = 9,
	    .eta_s = -1,
	    .disk_bytes = phase == PHASE_NETWORK ? 0 : UINT64_C(8589934592),
	    .message = "the disk is gone",
	    .hint = "plug it in"};

	return state_reported(s, &mac, "web1", &r);
}

static struct machine_row row_of(struct state *s)
{
	struct machine_row row;

	state_row(s, &mac, &row);
	return row;
}

static void install(struct state *s)
{
	state_booted(s, &mac, "web1", INSTALL);
	assert_int_equal(report(s, PHASE_NETWORK, REPORT_RUNNING), 0);
	assert_int_equal(report(s, PHASE_REPORT, REPORT_DONE), STATE_IMPORTANT);
}

/* More than any install has, and its state is told all the same. */
static void bounded_phases(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t last = 0;

	state_booted(f->s, &mac, "web1", INSTALL);
	for (int i = 0; i < 5000; i++) {
		report(f->s, i % 2 ? PHASE_CONFIG : PHASE_ROOTFS, REPORT_RUNNING);
		report(f->s, i % 2 ? PHASE_CONFIG : PHASE_ROOTFS, REPORT_DONE);
	}
	assert_int_equal(report(f->s, PHASE_REPORT, REPORT_DONE), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	assert_int_equal(state_save(f->s, &e), 0);
	assert_int_equal(state_last_event(f->s, &last, &e), 0);
	assert_in_range(last, 600, 620);
}

static void way_of_an_install(void **state)
{
	struct fixture *f = *state;
	struct firstboot_ready ready = {.host_key = {"ssh-ed25519 AAAA"}};

	assert_int_equal(row_of(f->s).state, MACHINE_DECLARED);
	assert_int_equal(state_became_ready(f->s, &mac, "web1", &ready), STATE_IGNORED);
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 1);
	assert_int_equal(row_of(f->s).state, MACHINE_BOOTING);
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 1);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_RUNNING), 0);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLING);
	assert_int_equal(row_of(f->s).phase, PHASE_ROOTFS);
	assert_int_equal(row_of(f->s).bytes, 7);
	struct report done = {.phase = PHASE_ROOTFS, .status = REPORT_DONE, .eta_s = -1};
	assert_int_equal(state_reported(f->s, &mac, "web1", &done), 0);
	assert_int_equal(row_of(f->s).bytes, 7);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLING);
	assert_int_equal(report(f->s, PHASE_REPORT, REPORT_DONE), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	/* Too late: */
	assert_int_equal(report(f->s, PHASE_REBOOT, REPORT_RUNNING), STATE_IGNORED);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_FAILED), STATE_IGNORED);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	state_booted(f->s, &mac, "web1", LOCAL);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	assert_int_equal(state_became_ready(f->s, &mac, "web1", &ready), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_READY);
	assert_string_equal(row_of(f->s).host_key[0], "ssh-ed25519 AAAA");
	assert_int_equal(row_of(f->s).attempt, 1);
}

static json_t *result_of(struct state *s)
{
	struct machine_row row = row_of(s);

	return row.cloud_init[0] ? json_loads(row.cloud_init, 0, NULL) : NULL;
}

static int call(struct state *s, const char *body)
{
	struct firstboot_ready ready;
	struct err e = ERR_INIT;

	assert_int_equal(firstboot_ready_parse(body, strlen(body), &ready, &e), 0);
	int r = state_became_ready(s, &mac, "web1", &ready);
	firstboot_ready_clear(&ready);
	return r;
}

static void cloud_init_says(struct state *s, const char *text, bool begins, bool failed)
{
	struct firstboot_event event = {.begins = begins, .failed = failed};

	snprintf(event.text, sizeof(event.text), "%s", text);
	state_cloud_init(s, &mac, "web1", &event);
}

static void assert_word(struct state *s, const char *key, const char *wanted)
{
	json_t *result = result_of(s);

	assert_non_null(result);
	assert_string_equal(json_string_value(json_object_get(result, key)), wanted);
	json_decref(result);
}

/* Ready ends with the next boot, and comes again with its call. */
static void every_boot(void **state)
{
	struct fixture *f = *state;

	install(f->s);
	state_booted(f->s, &mac, "web1", LOCAL);
	cloud_init_says(f->s, "modules-final: runcmd", true, false);
	assert_string_equal(row_of(f->s).stage, "modules-final: runcmd");
	assert_int_equal(call(f->s, "{\"boot_id\":\"a\",\"first_boot\":true,\"status\":\"error\","
				    "\"errors\":[\"it broke\"],\"user\":\"debian\"}"),
	    STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_READY);
	assert_string_equal(row_of(f->s).stage, "");
	assert_word(f->s, "status", "error");
	reopen(f);
	assert_word(f->s, "status", "error");

	state_booted(f->s, &mac, "web1", LOCAL);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	assert_word(f->s, "status", "booting");
	assert_word(f->s, "user", "debian");
	assert_int_equal(call(f->s, "{\"boot_id\":\"b\",\"status\":\"done\"}"), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_READY);
	assert_word(f->s, "status", "done");
	json_t *result = result_of(f->s);
	assert_int_equal(json_array_size(json_object_get(result, "errors")), 0);
	assert_int_equal(json_array_size(json_object_get(result, "first_boot_errors")), 1);
	json_decref(result);

	state_reinstall(f->s, &mac, "web1");
	assert_string_equal(row_of(f->s).cloud_init, "");
	assert_int_equal(call(f->s, "{\"boot_id\":\"b\"}"), STATE_IGNORED);
	install(f->s);
	assert_string_equal(row_of(f->s).cloud_init, "");
}

/* phone_home calls once an install: such a machine would never be ready again. */
static void calls_but_once(void **state)
{
	struct fixture *f = *state;

	install(f->s);
	assert_int_equal(call(f->s, "hostname=web1"), STATE_IMPORTANT);
	state_booted(f->s, &mac, "web1", LOCAL);
	assert_int_equal(row_of(f->s).state, MACHINE_READY);
}

static void count_stage(void *ctx, const struct event *event)
{
	*(int *)ctx += event->kind == EVENT_CLOUD_INIT || event->kind == EVENT_CLOUD_INIT_END;
}

static void bounded_stages(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	int stages = 0;

	install(f->s);
	for (int i = 0; i < STATE_STAGE_EVENTS_MAX + 50; i++) {
		cloud_init_says(f->s, "modules-final: x", true, false);
		cloud_init_says(f->s, "modules-final: x", false, false);
	}
	cloud_init_says(f->s, "modules-final: y", false, true);
	assert_int_equal(call(f->s, "{\"boot_id\":\"a\"}"), STATE_IMPORTANT);
	cloud_init_says(f->s, "modules-final: late", true, false);
	assert_int_equal(state_save(f->s, &e), 0);
	struct event_query query = {.limit = 1000, .vm = ""};
	assert_int_equal(state_events(f->s, &query, count_stage, &stages, &e), 0);
	assert_int_equal(stages, STATE_STAGE_EVENTS_MAX);
	assert_string_equal(row_of(f->s).stage, "");
}

static void interrupted_and_failed(void **state)
{
	struct fixture *f = *state;

	state_booted(f->s, &mac, "web1", INSTALL);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_RUNNING), 0);
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 2);
	assert_int_equal(row_of(f->s).state, MACHINE_BOOTING);
	assert_int_equal(row_of(f->s).bytes, 0);
	assert_int_equal(report(f->s, PHASE_FORMAT, REPORT_FAILED), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_FAILED);
	assert_int_equal(row_of(f->s).error_phase, PHASE_FORMAT);
	assert_string_equal(row_of(f->s).error_reason, "the disk is gone");
	assert_string_equal(row_of(f->s).error_hint, "plug it in");
	assert_int_equal(report(f->s, PHASE_FORMAT, REPORT_RUNNING), STATE_IGNORED);
	state_booted(f->s, &mac, "web1", FAILED);
	assert_int_equal(row_of(f->s).state, MACHINE_FAILED);
	state_reinstall(f->s, &mac, "web1");
	assert_int_equal(row_of(f->s).state, MACHINE_DECLARED);
	assert_string_equal(row_of(f->s).error_reason, "");
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 3);
}

static void orders(void **state)
{
	struct fixture *f = *state;

	install(f->s);
	state_reinstall(f->s, &mac, "web1");
	assert_true(state_life(f->s, &mac).reinstall);
	/* The installer that still runs must not swallow the order. */
	assert_int_equal(report(f->s, PHASE_REPORT, REPORT_DONE), STATE_IGNORED);
	assert_true(state_life(f->s, &mac).reinstall);
	assert_int_equal(row_of(f->s).disk_bytes, UINT64_C(8589934592));
	reopen(f);
	assert_int_equal(row_of(f->s).disk_bytes, UINT64_C(8589934592));
	assert_true(state_life(f->s, &mac).reinstall);
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 2);
	assert_false(state_life(f->s, &mac).reinstall);
	/* It stays an order until it is carried out, however often it is begun. */
	assert_true(state_life(f->s, &mac).ordered);
	assert_int_equal(report(f->s, PHASE_PLAN, REPORT_RUNNING), 0);
	reopen(f);
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 3);
	assert_true(state_life(f->s, &mac).ordered);
	assert_int_equal(report(f->s, PHASE_REPORT, REPORT_DONE), STATE_IMPORTANT);
	assert_false(state_life(f->s, &mac).ordered);
	state_netboot(f->s, &mac, "web1", false);
	state_local(f->s, &mac, "web1");
	reopen(f);
	assert_true(state_life(f->s, &mac).netboot_off);
	state_netboot(f->s, &mac, "web1", true);
	reopen(f);
	assert_false(state_life(f->s, &mac).netboot_off);
	assert_true(state_life(f->s, &mac).local);
	state_reinstall(f->s, &mac, "web1");
	assert_false(state_life(f->s, &mac).local);
	state_local(f->s, &mac, "web1");
	assert_false(state_life(f->s, &mac).reinstall);
}

/* The state file is new, the machine is not. */
static void its_disk_says_that_it_is_installed(void **state)
{
	struct fixture *f = *state;
	struct report done = {.phase = PHASE_REPORT,
	    .status = REPORT_DONE,
	    .eta_s = -1,
	    .already = true,
	    .attempt = 5};

	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 1);
	assert_false(state_life(f->s, &mac).ordered);
	assert_int_equal(state_reported(f->s, &mac, "web1", &done), STATE_IMPORTANT);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	assert_int_equal(row_of(f->s).attempt, 5);
	state_reinstall(f->s, &mac, "web1");
	assert_int_equal(state_booted(f->s, &mac, "web1", INSTALL), 6);
	assert_true(state_life(f->s, &mac).ordered);
}

static void addresses(void **state)
{
	struct in_addr ip = {htonl(0xc0a86463)};
	struct lease lease = {.ip = ip}, other = {.gone = true, .ip = {htonl(0xc0a86464)}};
	struct lease six = {.six = true};
	struct machine_addresses a;
	struct fixture *f = *state;

	assert_int_equal(inet_pton(AF_INET6, "fd00::63", &six.ip6), 1);
	assert_false(state_addresses(f->s, &mac, &a));
	state_leased(f->s, &web1, &lease);
	state_leased(f->s, &web1, &six);
	state_leased(f->s, &web1, &other); /* an older lease's end is not this one's */
	assert_int_equal(row_of(f->s).leased_ip.s_addr, ip.s_addr);
	reopen(f);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.leased_ip.s_addr, ip.s_addr);
	assert_true(ip6_equal(&a.leased_ip6, &six.ip6));
	lease.gone = six.gone = true;
	state_leased(f->s, &web1, &lease);
	state_leased(f->s, &web1, &six);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.leased_ip.s_addr, 0);
	assert_false(ip6_is_set(&a.leased_ip6));
}

/* An address that another machine gets is not the one's any more who had it. */
static void taken_addresses(void **state)
{
	static const struct mac other = {{0x52, 0x54, 0, 0, 0, 0x12}};
	struct lease lease = {.ip = {htonl(0xc0a86463)}}, static_one = {.ip = {htonl(0xc0a86432)}};
	struct lease six = {.six = true};
	struct machine_addresses a;
	struct fixture *f = *state;

	assert_int_equal(inet_pton(AF_INET6, "fd00::63", &six.ip6), 1);
	state_leased(f->s, &web1, &lease);
	state_leased(f->s, &web1, &six);
	state_seen_from(f->s, &mac, "web1", "192.168.100.50");
	state_taken(f->s, &mac, &lease); /* by itself */
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.leased_ip.s_addr, lease.ip.s_addr);
	assert_int_equal(a.seen_ip.s_addr, static_one.ip.s_addr);
	state_taken(f->s, &other, &static_one);
	state_taken(f->s, &other, &six);
	reopen(f);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.leased_ip.s_addr, lease.ip.s_addr);
	assert_int_equal(a.seen_ip.s_addr, 0);
	assert_false(ip6_is_set(&a.leased_ip6));
	state_taken(f->s, &other, &lease);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.leased_ip.s_addr, 0);
}

static void seen_addresses(void **state)
{
	struct lease lease = {.ip = {htonl(0xc0a86463)}};
	struct machine_addresses a;
	struct fixture *f = *state;

	state_leased(f->s, &web1, &lease);
	state_seen_from(f->s, &mac, "web1", "192.168.100.99"); /* its lease */
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.seen_ip.s_addr, 0);
	state_seen_from(f->s, &mac, "web1", "192.168.100.50");
	state_seen_from(f->s, &mac, "web1", "fd00::50");
	state_seen_from(f->s, &mac, "web1", "");
	state_seen_from(f->s, &mac, "web1", "unix:");
	reopen(f);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.seen_ip.s_addr, htonl(0xc0a86432));
	assert_true(ip6_is_set(&a.seen_ip6));
	/* The lease ends, the static address stays; once leased, the lease has the word. */
	lease.gone = true;
	state_leased(f->s, &web1, &lease);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.seen_ip.s_addr, htonl(0xc0a86432));
	lease = (struct lease){.ip = a.seen_ip};
	state_leased(f->s, &web1, &lease);
	assert_true(state_addresses(f->s, &mac, &a));
	assert_int_equal(a.seen_ip.s_addr, 0);
	assert_int_equal(a.leased_ip.s_addr, lease.ip.s_addr);
}

/* Found by UUID or serial number, with a card that no definition has. */
static void other_cards(void **state)
{
	const struct mac second = {{0x52, 0x54, 0, 0, 0, 0x12}}, card = {{2, 0, 0, 0, 0, 9}};
	struct fixture *f = *state;
	struct mac got;

	assert_false(state_nic(f->s, &mac, &got));
	assert_true(mac_equal(&got, &mac));
	assert_false(state_by_nic(f->s, &card, &got));
	state_asked_with(f->s, &mac, "web1", &mac);
	assert_false(state_row(f->s, &mac, &(struct machine_row){0}));
	state_asked_with(f->s, &mac, "web1", &card);
	reopen(f);
	assert_true(state_nic(f->s, &mac, &got));
	assert_true(mac_equal(&got, &card));
	assert_true(state_by_nic(f->s, &card, &got));
	assert_true(mac_equal(&got, &mac));
	/* The card moves to another machine. */
	state_asked_with(f->s, &second, "web2", &card);
	assert_true(state_by_nic(f->s, &card, &got));
	assert_true(mac_equal(&got, &second));
	assert_false(state_nic(f->s, &mac, &got));
	reopen(f);
	assert_false(state_nic(f->s, &mac, &got));
	/* It asks with its own again. */
	state_asked_with(f->s, &second, "web2", &second);
	assert_false(state_by_nic(f->s, &card, &got));
	assert_false(state_nic(f->s, &second, &got));
	reopen(f);
	assert_false(state_by_nic(f->s, &card, &got));
}

static int lines;

static void count_line(enum log_level level, const char *line)
{
	(void)level;
	lines += strstr(line, "asks with") || strstr(line, "install failed");
}

/* A machine may turn to and fro as often as it likes: the log is not filled by it. */
static void lines_of_the_log_have_a_pace(void **state)
{
	const struct mac card = {{2, 0, 0, 0, 0, 9}};
	struct fixture *f = *state;

	lines = 0;
	log_set_sink(count_line);
	for (int i = 0; i < 20; i++) {
		assert_true(state_asked_with(f->s, &mac, "web1", i % 2 ? &mac : &card));
		struct report r = {.phase = PHASE_ROOTFS, .status = REPORT_FAILED};
		state_booted(f->s, &mac, "web1", INSTALL);
		assert_int_not_equal(state_reported(f->s, &mac, "web1", &r), 0);
		state_reinstall(f->s, &mac, "web1");
	}
	log_set_sink(NULL);
	assert_int_equal(lines, 2);
	assert_true(state_line_is_due(f->s, &mac, "web1", STATE_LINE_NO_FILE));
	assert_false(state_line_is_due(f->s, &mac, "web1", STATE_LINE_NO_FILE));
}

struct seen {
	int count;
	uint64_t last;
	char text[2000];
};

static void see(void *ctx, const struct event *event)
{
	struct seen *seen = ctx;

	assert_true(event->id > seen->last);
	seen->last = event->id;
	seen->count++;
	strcat(seen->text, event_info(event->kind)->name);
	strcat(seen->text, ":");
	strcat(seen->text, event->text);
	strcat(seen->text, " ");
}

static int read_events(struct state *s, uint64_t after, const char *vm,
    void (*event)(void *ctx, const struct event *event), struct seen *seen)
{
	struct event_query query = {.after = after, .limit = 100, .vm = vm};
	struct err e = ERR_INIT;

	return state_events(s, &query, event, seen, &e);
}

static void events(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	struct err e = ERR_INIT;

	install(f->s);
	for (int i = 0; i < 100; i++)
		state_booted(f->s, &mac, "web1", LOCAL);
	assert_int_equal(state_save(f->s, &e), 0);
	assert_int_equal(read_events(f->s, 0, "", see, &seen), 0);
	assert_string_equal(seen.text, "ipxe:install state:booting phase:network "
				       "state:installing phase:report state:installed ipxe:local ");
	reopen(f);
	struct seen again = {.last = seen.last};
	state_reinstall(f->s, &mac, "web1");
	assert_int_equal(state_save(f->s, &e), 0);
	assert_int_equal(read_events(f->s, seen.last, "web1", see, &again), 0);
	assert_string_equal(again.text, "action:reinstall state:declared ");
	struct seen other = {0};
	assert_int_equal(read_events(f->s, 0, "web2", see, &other), 0);
	assert_int_equal(other.count, 0);
	struct event_query newest = {.newest = true, .limit = 2, .vm = "web1"};
	struct seen end = {0};
	assert_int_equal(state_events(f->s, &newest, see, &end, &e), 0);
	assert_string_equal(end.text, "action:reinstall state:declared ");
}

static void logs(void **state)
{
	struct fixture *f = *state;
	struct report r = {.phase = PHASE_PLAN, .status = REPORT_FAILED, .log = strdup("a\nb")};
	struct err e = ERR_INIT;
	char *text = NULL;

	assert_int_equal(state_reported(f->s, &mac, "web1", &r), STATE_IMPORTANT);
	assert_null(r.log);
	assert_int_equal(state_save(f->s, &e), 0);
	assert_int_equal(state_log(f->s, &mac, &text, &e), 0);
	assert_string_equal(text, "a\nb");
	free(text);
}

static void survives_restart(void **state)
{
	struct fixture *f = *state;

	install(f->s);
	reopen(f);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
	assert_int_equal(row_of(f->s).attempt, 1);
	assert_string_equal(row_of(f->s).name, "web1");
	assert_true(row_of(f->s).last_seen_ms > 0);
}

static void note_data(void *ctx, const struct event *event)
{
	if (event->kind == EVENT_PHASE_END ||
	    (event->kind == EVENT_STATE && machine_state_is(event->text, MACHINE_INSTALLED)))
		fprintf(ctx, "%s %s ", event->text, event->data);
}

/* What an install and its phase have taken is known over a restart of this program, too. */
static void durations_survive_restart(void **state)
{
	struct event_query all = {.limit = 100};
	struct fixture *f = *state;
	char told[1000] = "";
	FILE *out = fmemopen(told, sizeof(told), "w");
	struct err e = ERR_INIT;
	int phase_ms = 0, all_ms = 0;

	state_booted(f->s, &mac, "web1", INSTALL);
	usleep(30000);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_RUNNING), 0);
	reopen(f);
	usleep(30000);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_DONE), 0);
	reopen(f);
	assert_int_equal(report(f->s, PHASE_ROOTFS, REPORT_DONE), 0); /* once is enough */
	assert_int_equal(report(f->s, PHASE_REPORT, REPORT_DONE), STATE_IMPORTANT);
	assert_int_equal(state_save(f->s, &e), 0);
	assert_int_equal(state_events(f->s, &all, note_data, out, &e), 0);
	assert_int_equal(fclose(out), 0);
	if (sscanf(told, "rootfs {\"ms\":%d} installed {\"attempt\":1,\"ms\":%d} ", &phase_ms,
		&all_ms) != 2)
		fail_msg("%s", told);
	assert_in_range(phase_ms, 25, 60000);
	assert_in_range(all_ms, phase_ms + 25, 60000);
}

static void survives_kill(void **state)
{
	struct fixture *f = *state;
	int status;

	state_close(f->s);
	f->s = NULL;
	pid_t child = fork();
	if (child == 0) {
		struct err e = ERR_INIT;
		struct state *s = open_state(f);
		install(s);
		if (state_save(s, &e) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	f->s = open_state(f);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
}

static void damaged_file(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	install(f->s);
	state_close(f->s);
	f->s = NULL;
	FILE *file = fopen(f->file, "w");
	fputs("this is no database, but it is long enough to look like one to a careless reader...",
	    file);
	fclose(file);
	f->s = open_state(f);
	assert_int_equal(row_of(f->s).state, MACHINE_DECLARED);
	assert_int_equal(count_files(f->dir, "corrupt", false), 1);
	install(f->s);
	assert_int_equal(state_save(f->s, &e), 0);
}

/* Garbage in the middle of a file whose header is good. */
static void damaged_pages(void **state)
{
	struct fixture *f = *state;
	char junk[4096];

	for (unsigned i = 0; i < 300; i++) {
		struct mac other = {{0x52, 0x54, 1, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		state_booted(f->s, &other, "some", INSTALL);
	}
	state_close(f->s);
	f->s = NULL;
	memset(junk, 0xa5, sizeof(junk));
	int fd = open(f->file, O_WRONLY);
	for (off_t page = 1; page < 12; page++)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), page * 4096), sizeof(junk));
	close(fd);
	f->s = open_state(f);
	assert_int_equal(row_of(f->s).state, MACHINE_DECLARED);
	assert_int_equal(count_files(f->dir, "corrupt", false), 1);
}

static void unusable_place(void **state)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	(void)state;
	assert_true(state_open("/nonexistent/dir/state.db", &s, &e) < 0);
	assert_non_null(strstr(e.msg, "/nonexistent/dir/state.db"));
}

/* Who opens it second is refused, and nothing of the first is lost; one that was killed holds
 * nothing. */
static void of_one_server(void **state)
{
	struct fixture *f = *state;
	struct state *second = NULL;
	struct err e = ERR_INIT;
	int status, ready[2];

	install(f->s);
	assert_int_equal(state_open(f->file, &second, &e), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(e.msg, f->file));
	assert_non_null(strstr(e.msg, "another server uses this state file: end that one"));
	assert_int_equal(state_save(f->s, &e), 0);
	state_close(f->s);
	f->s = NULL;

	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		open_state(f);
		(void)!write(ready[1], "", 1);
		pause();
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(state_open(f->file, &second, &e), -EBUSY);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ready[0]);
	close(ready[1]);
	f->s = open_state(f);
	assert_int_equal(row_of(f->s).state, MACHINE_INSTALLED);
}

static void probe(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	assert_int_equal(state_probe(f->s, &e), 0);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(way_of_an_install),
	    TEST(every_boot),
	    TEST(calls_but_once),
	    TEST(bounded_stages),
	    TEST(bounded_phases),
	    TEST(interrupted_and_failed),
	    TEST(orders),
	    TEST(its_disk_says_that_it_is_installed),
	    TEST(addresses),
	    TEST(seen_addresses),
	    TEST(taken_addresses),
	    TEST(other_cards),
	    TEST(lines_of_the_log_have_a_pace),
	    TEST(events),
	    TEST(logs),
	    TEST(survives_restart),
	    TEST(durations_survive_restart),
	    TEST(survives_kill),
	    TEST(of_one_server),
	    TEST(damaged_file),
	    TEST(damaged_pages),
	    cmocka_unit_test(unusable_place),
	    TEST(probe),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
