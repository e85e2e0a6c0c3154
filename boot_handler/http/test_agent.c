/* What an agent and its operator do with the server: over real listeners, with a listener's two
 * threads while many wait. */
#include <pthread.h>

#include "boot_handler/http/test_asked.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/boot/stranger.h"

#define WAITERS 60

/* ---- who may ----------------------------------------------------------------------------- */

static void a_machine_speaks_for_itself_only(void **state)
{
	static const struct {
		const char *source, *mac;
		int status;
	} rows[] = {{ITSELF, MAC, 200}, {STRANGE_IP, MAC, 403}, {"", MAC, 403},
	    {"10.0.0.50", STRANGE, 403}, {ITSELF, STRANGE, 403}, {STRANGE_IP, STRANGE, 200},
	    {"127.0.0.1", STRANGE, 403}};
	char body[200], path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(body, sizeof(body), "{\"mac\":\"%s\",\"ip\":\"10.0.0.11\"}", rows[i].mac);
		assert_int_equal(
		    ask(rows[i].source, "POST", "/api/register-device", body), rows[i].status);
		snprintf(path, sizeof(path), "/api/device-action-poll?mac=%s", rows[i].mac);
		assert_int_equal(
		    ask(rows[i].source, "GET", path, ""), rows[i].status == 200 ? 204 : 403);
		snprintf(path, sizeof(path), "/inventory/%s", rows[i].mac);
		assert_int_equal(
		    ask(rows[i].source, "POST", path, "{"), rows[i].status == 200 ? 400 : 403);
		snprintf(body, sizeof(body), "{\"mac\":\"%s\",\"id\":77,\"result\":\"ok\"}",
		    rows[i].mac);
		assert_int_equal(ask(rows[i].source, "POST", "/api/action-done", body),
		    rows[i].status == 200 ? 404 : 403);
	}
	assert_int_equal(ask(ITSELF, "POST", "/api/register-device", "{\"mac\":\"" MAC "\"}"), 200);
	assert_true(says("{\"machine\":\"web1\"}"));
	assert_int_equal(ask(STRANGE_IP, "POST", "/api/register-device",
			     "{\"mac\":\"" STRANGE "\",\"uuid\":\"\",\"serial\":\"S-1\"}"),
	    200);
	assert_true(says("{\"machine\":\"" STRANGE "\"}"));
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines", ""), 200);
	assert_true(says("\"serial\":\"S-1\""));
}

static void what_makes_no_sense(void **state)
{
	static const struct {
		const char *path, *body;
	} rows[] = {
	    {"/api/register-device", ""},
	    {"/api/register-device", "[]"},
	    {"/api/register-device", "{\"mac\":7}"},
	    {"/api/register-device", "{\"mac\":\"nonsense\"}"},
	    {"/api/register-device", "{\"mac\":\"" MAC "\",\"mac\":\"" MAC "\"}"},
	    {"/api/action-done", "{\"mac\":\"" MAC "\"}"},
	    {"/api/action-done", "{\"mac\":\"" MAC "\",\"id\":1,\"result\":\"maybe\"}"},
	    {"/api/action-done", "{\"mac\":\"" MAC "\",\"id\":\"1\",\"result\":\"ok\"}"},
	    {"/inventory/" MAC, "not JSON"},
	    {"/inventory/" MAC, "[]"},
	    {"/inventory/" MAC, "{}"},
	    {"/inventory/" MAC, "{\"format\":2}"},
	    {"/inventory/" MAC, "{\"format\":1,\"disks\":{}}"},
	    {"/inventory/" MAC, "{\"format\":1,\"\\u001b[2J\":1}"},
	    {"/inventory/" MAC, "{\"format\":1,\"format\":1}"},
	};
	static char large[1100000], deep[20000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (ask(ITSELF, "POST", rows[i].path, rows[i].body) != 400)
			fail_msg("%s %s: %s", rows[i].path, rows[i].body, answer);
	memset(large, ' ', sizeof(large) - 1);
	memcpy(large, "{\"format\":1}", 12);
	assert_int_equal(ask(ITSELF, "POST", "/inventory/" MAC, large), 413);
	assert_int_equal(ask(ITSELF, "POST", "/api/register-device", large), 413);
	strcpy(deep, "{\"format\":1,\"x\":");
	memset(deep + strlen(deep), '[', 1500);
	memset(deep + strlen(deep), ']', 1500);
	strcat(deep, "}");
	assert_int_equal(ask(ITSELF, "POST", "/inventory/" MAC, deep), 400);
	assert_true(says("deeper than 12"));
	assert_int_equal(ask(ITSELF, "GET", "/api/device-action-poll", ""), 400);
	assert_int_equal(ask(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=x", ""), 400);
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/web1/inventory", ""), 404);
	assert_true(says("has told no inventory yet"));
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/nobody/inventory", ""), 404);
}

/* ---- inventories ------------------------------------------------------------------------- */

static void tells(const char *source, const char *mac, int n)
{
	char path[100], body[400];

	snprintf(path, sizeof(path), "/inventory/%s", mac);
	snprintf(body, sizeof(body),
	    "{\"format\":1,\"system\":{\"product\":\"R%d \\u001b[2J\",\"serial\":\"S-1\"},"
	    "\"memory\":{\"total_bytes\":1000,\"modules\":[{\"size_bytes\":%d},{\"size_bytes\":null}]},"
	    "\"disks\":[{\"size_bytes\":%d},{\"size_bytes\":9999999,\"removable\":true}]}",
	    n, 4096 * n, 512 * n);
	assert_int_equal(ask(source, "POST", path, body), 204);
}

static void the_last_that_differ_are_kept(void **state)
{
	(void)state;
	tells(ITSELF, MAC, 1);
	tells(ITSELF, MAC, 1);
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/web1/inventory", ""), 200);
	assert_int_equal(count("\"product\""), 1);
	assert_true(says("R1 ?[2J") && !says("u001b"));
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines", ""), 200);
	assert_true(says("\"serial\":\"S-1\"") && says("\"product\":\"R1 ?[2J\""));
	assert_true(says("\"manufacturer\":null") && says("\"platform\":\"efi\""));
	for (int n = 2; n <= 10; n++)
		tells(ITSELF, MAC, n);
	served_restart();
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/" MAC "/inventory", ""), 200);
	assert_int_equal(count("\"product\""), 8);
	assert_true(says("R3 ") && !says("R2 ") && strstr(answer, "R10 ") < strstr(answer, "R9 "));
	assert_int_equal(ask(NULL, "GET", "/api/v1/events?vm=web1", ""), 200);
	assert_int_equal(count("\"kind\":\"inventory\""), 10);
	assert_true(says("0 threads, 40 KiB, 2 disks"));
	assert_int_equal(
	    ask(ITSELF, "POST", "/inventory/" MAC,
		"{\"format\":1,\"cpu\":{\"threads\":1},\"disks\":[{\"size_bytes\":512}]}"),
	    204);
	assert_int_equal(ask(NULL, "GET", "/api/v1/events?vm=web1", ""), 200);
	assert_true(says("1 thread, ") && says(", 1 disk\""));
	/* Whole JSON, but no object. */
	assert_int_equal(ask(ITSELF, "POST", "/inventory/" MAC, "7"), 400);
	assert_true(says("it is no object"));
	assert_int_equal(ask(ITSELF, "POST", "/api/register-device", "null"), 400);
	assert_true(says("the body is no object"));
}

/* Of a stranger it is what profiles go by. */
static void a_strangers_is_matched(void **state)
{
	struct stranger s;
	struct err e = ERR_INIT;

	(void)state;
	tells(STRANGE_IP, STRANGE, 4);
	assert_int_equal(strangers_find(state_strangers(services.state), STRANGE, &s, &e), 0);
	assert_int_equal(s.memory_bytes, 4096 * 4);
	assert_int_equal(s.disk_bytes, 512 * 4);
	assert_string_equal(s.shown.product, "R4 ?[2J");
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/S-1/inventory", ""), 200);
	assert_true(says("\"name\":null") && says("\"mac\":\"" STRANGE "\""));
}

/* ---- orders ------------------------------------------------------------------------------ */

static void orders_are_done_in_turn_also_over_a_restart(void **state)
{
	(void)state;
	order("web1", "inventory");
	order(MAC, "reboot");
	assert_int_equal(ask(STRANGE_IP, "GET", poll_strange, ""), 204);
	int64_t id = given(ITSELF, poll_it, "inventory");
	served_restart();
	assert_int_equal(given(ITSELF, poll_it, "inventory"), id);
	assert_int_equal(done(STRANGE_IP, STRANGE, id, "ok"), 404);
	assert_int_equal(done(ITSELF, MAC, id + 1, "ok"), 409);
	assert_true(says("this machine has not been given it yet"));
	assert_int_equal(done(ITSELF, MAC, id, "failed"), 204);
	assert_int_equal(done(ITSELF, MAC, id, "failed"), 204);
	assert_int_equal(done(ITSELF, MAC, id, "ok"), 409);
	int64_t reboot = given(ITSELF, poll_it, "reboot");
	assert_int_equal(done(ITSELF, MAC, reboot, "ok"), 204);
	assert_int_equal(ask(ITSELF, "GET", poll_it, ""), 204);
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/web1/orders", ""), 200);
	assert_true(says("\"state\":\"failed\"") && says("\"text\":\"a?[2Jb\""));
	assert_true(says("\"state\":\"done\"") && says("\"machine\":\"web1\""));
	assert_int_equal(ask(NULL, "GET", "/api/v1/events?vm=web1", ""), 200);
	assert_true(says("\"text\":\"inventory failed\"") && says("\"text\":\"reboot done\""));
}

static void orders_that_are_refused(void **state)
{
	static const char orders[] = "/api/v1/machines/web1/orders";

	(void)state;
	assert_int_equal(ask(NULL, "POST", orders, ""), 400);
	assert_int_equal(ask(NULL, "POST", orders, "{\"action\":\"format\"}"), 400);
	assert_true(says("reboot, poweroff, local"));
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/%00/orders", "{}"), 400);
	assert_true(says("a machine is named by its definition's name, its MAC address, its UUID"));
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines//orders", "{}"), 400);
	assert_true(says("a machine is named by its definition's name"));
	assert_int_equal(
	    ask(NULL, "POST", "/api/v1/machines/nobody/orders", "{\"action\":\"reboot\"}"), 404);
	for (int i = 0; i < ORDERS_OPEN_MAX; i++)
		order("web1", "inventory");
	assert_int_equal(ask(NULL, "POST", orders, "{\"action\":\"inventory\"}"), 409);
	/* One that never tells an end is not handed out for ever. */
	for (int i = 0; i < ORDERS_OPEN_MAX * ORDER_GIVEN_MAX; i++)
		given(ITSELF, poll_it, "inventory");
	assert_int_equal(ask(ITSELF, "GET", poll_it, ""), 204);
}

static void local_is_one_boot_from_disk(void **state)
{
	char path[100];

	(void)state;
	services.strangers = &boot_stranger_agent;
	snprintf(path, sizeof(path), "/ipxe?mac=%s&arch=x86_64", STRANGE);
	order(STRANGE, "local");
	assert_int_equal(ask(STRANGE_IP, "GET", path, ""), 200);
	assert_false(says("sanboot"));
	assert_int_equal(
	    done(STRANGE_IP, STRANGE, given(STRANGE_IP, poll_strange, "local"), "ok"), 204);
	served_restart();
	assert_int_equal(ask(STRANGE_IP, "HEAD", path, ""), 200);
	assert_int_equal(ask(STRANGE_IP, "GET", path, ""), 200);
	assert_true(says("sanboot"));
	assert_int_equal(ask(STRANGE_IP, "GET", path, ""), 200);
	assert_false(says("sanboot"));
	services.strangers = NULL;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static void an_order_wakes_who_waits(void **state)
{
	int64_t began = monotonic_ms();

	(void)state;
	assert_int_equal(ask(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=1", ""), 204);
	assert_in_range(monotonic_ms() - began, 1000, 6000);
	char of_poll[1000];
	int fd = begin(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=60", "");
	usleep(300000);
	began = monotonic_ms();
	order("web1", "inventory");
	assert_int_equal(served_finish(fd, of_poll, sizeof(of_poll)), 200);
	assert_true(monotonic_ms() - began < 5000);
	assert_int_equal(done(ITSELF, MAC, given(ITSELF, poll_it, "inventory"), "ok"), 204);
	/* Its newer call ends the older. */
	fd = begin(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=60", "");
	usleep(300000);
	assert_int_equal(ask(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=1", ""), 204);
	assert_int_equal(served_finish(fd, of_poll, sizeof(of_poll)), 204);
}

/* Whoever is gone gets no order. */
static void a_caller_that_left_gets_nothing(void **state)
{
	int fd = begin(ITSELF, "GET", "/api/device-action-poll?mac=" MAC "&wait=60", "");

	(void)state;
	usleep(300000);
	close(fd);
	order("web1", "inventory");
	usleep(300000);
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/web1/orders", ""), 200);
	assert_true(says("\"state\":\"waiting\""));
	assert_int_equal(done(ITSELF, MAC, given(ITSELF, poll_it, "inventory"), "ok"), 204);
}

static void many_wait_and_others_are_served(void **state)
{
	int fds[WAITERS];
	char path[100];

	(void)state;
	services.any_source = true;
	for (int i = 0; i < WAITERS; i++) {
		snprintf(path, sizeof(path),
		    "/api/device-action-poll?mac=52:54:00:00:01:%02x&wait=60", i);
		fds[i] = begin("10.0.0.7", "GET", path, "");
	}
	usleep(300000);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(ITSELF, "GET", "/healthz", ""), 200);
	services.any_source = false;
	int64_t began = monotonic_ms();
	served_stop();
	assert_true(monotonic_ms() - began < 5000);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(served_finish(fds[i], answer, sizeof(answer)), 403);
	served_start();
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_machine_speaks_for_itself_only),
	    cmocka_unit_test(what_makes_no_sense),
	    cmocka_unit_test(the_last_that_differ_are_kept),
	    cmocka_unit_test(a_strangers_is_matched),
	    cmocka_unit_test(orders_are_done_in_turn_also_over_a_restart),
	    cmocka_unit_test(orders_that_are_refused),
	    cmocka_unit_test(local_is_one_boot_from_disk),
	    cmocka_unit_test(an_order_wakes_who_waits),
	    cmocka_unit_test(a_caller_that_left_gets_nothing),
	    cmocka_unit_test(many_wait_and_others_are_served),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
