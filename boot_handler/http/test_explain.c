/* What the server makes of what it was told and asked, as facts and the broken link: over real
 * listeners. */
#include <arpa/inet.h>

#include "boot_handler/http/explain_events.h"
#include "boot_handler/http/test_asked.h"
#include "lib/explain/explain.h"
#include "lib/base/log.h"

static void define(const char *name, const char *ip, const char *more)
{
	char file[80], text[400];
	struct err e = ERR_INIT;

	snprintf(file, sizeof(file), "vms/%s.json", name);
	snprintf(text, sizeof(text),
	    "{\"name\":\"%s\",\"mac\":\"52:54:00:00:01:%s\",\"ip\":\"10.0.1.%d\"%s}", name, ip,
	    (int)strtol(ip, NULL, 16), more);
	write_in(dir, file, text);
	for (int i = 0; i < 50 && vm_store_wait(services.store, 100, &e) == 0; i++)
		;
}

static void explained(const char *id, const char *rule)
{
	char path[100], wanted[60];

	snprintf(path, sizeof(path), "/api/v1/machines/%s/explain", id);
	assert_int_equal(ask(NULL, "GET", path, ""), 200);
	snprintf(wanted, sizeof(wanted), "\"rule\":\"%s\"", rule ? rule : "");
	if (rule ? !says(wanted) : !says("\"broken\":null"))
		fail_msg("%s is not %s: %s", id, rule, answer);
	/* The first of all is it. */
	if (rule && strstr(answer, "\"rule\"") != strstr(answer, wanted))
		fail_msg("%s is not first of %s: %s", rule, id, answer);
}

static void report(const char *ip, const char *body)
{
	char path[60], source[20];

	snprintf(path, sizeof(path), "/report/52:54:00:00:01:%s", ip);
	snprintf(source, sizeof(source), "10.0.1.%d", (int)strtol(ip, NULL, 16));
	assert_int_equal(ask(source, "POST", path, body), 204);
}

static void boots(const char *ip)
{
	char path[80], source[20];

	snprintf(path, sizeof(path), "/ipxe?mac=52:54:00:00:01:%s", ip);
	snprintf(source, sizeof(source), "10.0.1.%d", (int)strtol(ip, NULL, 16));
	assert_int_equal(ask(source, "GET", path, ""), 200);
}

static void definitions_and_images(void **state)
{
	(void)state;
	define("one", "01", ",\"distro\":\"debian-13\"");
	explained("one", "image-missing");
	assert_true(says("no image debian-13 for amd64"));
	make_image();
	sleep(1); /* images are looked at once a second */
	explained("one", "no-discover");
	assert_true(says("{\"link\":\"image\",\"state\":\"ok\""));
	define("two", "02", ",\"distro\":\"debian-13\",\"arch\":\"arm64\"");
	explained("two", "image-other-arch");
	write_in(dir, "images/debian-13/amd64/r.tar", "1");
	sleep(1);
	explained("one", "image-cut");
	assert_true(says("has 1 bytes, the manifest says 5"));
	write_in(dir, "images/debian-13/amd64/r.tar", "12345");
	sleep(1);
	define("one", "01", ",\"cpus\":\"many\"");
	explained("one", "definition-broken");
	assert_true(says("one.json:1:"));
	define("three", "01", "");
	explained("three", "claimed");
	define("four", "04", ",\"cpus\":\"many\"");
	explained("four", "definition-refused");
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/nobody/explain", ""), 404);
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/one/explain", ""), 405);
}

static void strangers(void **state)
{
	(void)state;
	assert_int_equal(
	    ask("10.0.0.77", "GET", "/ipxe?mac=52:54:00:00:00:77&serial=ABC%1b7&product=Box", ""),
	    200);
	explained("52:54:00:00:00:77", "no-definition");
	assert_true(says("product Box") && says("it asked 1 times"));
}

static void an_install(void **state)
{
	(void)state;
	define("five", "05", ",\"distro\":\"debian-13\"");
	boots("05");
	explained("five", NULL);
	assert_true(says("\"where\":\"it boots: it was told install\""));
	report("05", "{\"phase\":\"hooks\",\"status\":\"running\"}");
	explained("five", NULL);
	assert_true(says("\"where\":\"it is being installed: hooks\""));
	char failed[900];
	snprintf(failed, sizeof(failed),
	    "{\"phase\":\"hooks\",\"status\":\"failed\",\"message\":\"it ended with status 3\","
	    "\"hint\":\"correct it\",\"log\":\"%0600d\\ncp: no such file\\nhook: status 3\\n\"}",
	    0);
	report("05", failed);
	explained("five", "hook-failed");
	assert_true(says("its installer's log ends: cp: no such file hook: status 3"));
	assert_int_equal(ask(NULL, "POST", "/api/v1/vms/five/netboot/off", ""), 200);
	explained("five", "netboot-off");
	assert_true(says("hook-failed"));
	assert_int_equal(ask(NULL, "POST", "/api/v1/vms/five/netboot/on", ""), 200);
	/* What it was is not what it is. */
	assert_int_equal(ask(NULL, "POST", "/api/v1/vms/five/reinstall", ""), 200);
	boots("05");
	report("05", "{\"phase\":\"report\",\"status\":\"done\",\"log\":\"done\\n\"}");
	explained("five", NULL);
	assert_true(says("\"where\":\"it is installed\""));
}

static void no_disk(void **state)
{
	(void)state;
	define("six", "06", ",\"distro\":\"debian-13\"");
	boots("06");
	report("06",
	    "{\"phase\":\"plan\",\"status\":\"failed\",\"message\":\"found no disk to install on: give it one\"}");
	explained("six", "no-disk");
}

static void stages_that_stall(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	define("seven", "07", ",\"distro\":\"debian-13\"");
	boots("07");
	report("07", "{\"phase\":\"network\",\"status\":\"running\"}");
	assert_int_equal(outlook_limits_parse("network=1,rootfs=1", &services.limits, &e), 0);
	sleep(1);
	explained("seven", "network-stalled");
	report("07", "{\"phase\":\"rootfs\",\"status\":\"running\"}");
	explained("seven", NULL);
	sleep(1);
	explained("seven", "install-stalled");
	outlook_limits_default(&services.limits);
}

static void what_is_refused(void **state)
{
	(void)state;
	define("eight", "08", ",\"distro\":\"debian-13\"");
	boots("08");
	assert_int_equal(ask("10.0.0.66", "GET", "/config/52:54:00:00:01:08", ""), 403);
	explained("eight", "refused");
	assert_true(says("10.0.0.66"));
}

static void orders_wait_fail_and_are_lost(void **state)
{
	(void)state;
	assert_int_equal(ask(ITSELF, "GET", "/ipxe?mac=" MAC, ""), 200);
	order("web1", "inventory");
	explained("web1", "order-waits");
	assert_true(says("its agent is not running"));
	int64_t id = given(ITSELF, poll_it, "inventory");
	explained("web1", NULL);
	assert_int_equal(done(ITSELF, MAC, id, "failed"), 204);
	explained("web1", "order-failed");
	order("web1", "inventory");
	id = given(ITSELF, poll_it, "inventory");
	assert_int_equal(done(ITSELF, MAC, id, "ok"), 204);
	explained("web1", NULL);
}

/* Events as they were recorded, oldest first. */
static void events_are_signs(void **state)
{
	static struct explain_facts f;
	static const struct event events[] = {
	    {.kind = EVENT_DHCP, .text = "10.0.1.9", .source = "dhcp"},
	    {.kind = EVENT_DHCP, .text = "fd00::9", .source = "dhcp"},
	    {.kind = EVENT_IPXE, .text = "install", .source = "10.0.1.9"},
	    {.kind = EVENT_PHASE, .phase = PHASE_ROOTFS, .source = "10.0.1.9"},
	    {.kind = EVENT_IPXE, .text = "local", .source = "10.0.1.9"},
	    {.kind = EVENT_STATE, .text = "installed", .source = "10.0.1.9"},
	    {.kind = EVENT_IPXE, .text = "local", .source = "10.0.1.9"},
	    {.kind = EVENT_IPXE, .text = "local", .source = "10.0.1.9"},
	    {.kind = EVENT_IPXE, .text = "local", .source = "10.0.1.9"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct event event = events[i];
		event.at_ms = 1000 * (int64_t)(i + 1);
		explain_event(&f, &event);
	}
	assert_string_equal(f.seen[EXPLAIN_ADDRESS].about, "10.0.1.9");
	assert_string_equal(f.seen[EXPLAIN_ADDRESS].from, "dhcp");
	assert_int_equal(f.seen[EXPLAIN_ADDRESS].at_ms, 1000);
	assert_string_equal(f.seen[EXPLAIN_ASKED].about, "local");
	assert_int_equal(f.seen[EXPLAIN_ASKED].count, 5);
	assert_string_equal(f.seen[EXPLAIN_PHASE].about, "rootfs");
	assert_int_equal(f.seen[EXPLAIN_CAME_BACK].count, 3);
	assert_int_equal(f.seen[EXPLAIN_CAME_BACK].at_ms, 9000);
	explain_see(&f, EXPLAIN_STATE, 6000, "installed", NULL, NULL);
	f.now_ms = 9000;
	assert_string_equal(explain_broken(&f)->id, "came-back");
	explain_event(&f, &(struct event){.kind = EVENT_IPXE, .at_ms = 700000, .text = "local"});
	assert_int_equal(f.seen[EXPLAIN_CAME_BACK].count, 1);
	explain_event(
	    &f, &(struct event){.kind = EVENT_CLOUD_INIT, .at_ms = 710000, .text = "init"});
	assert_null(explain_broken(&f));
}

static void tell_event(
    struct explain_facts *f, enum event_kind kind, const char *text, int64_t at_ms)
{
	struct event event = {.kind = kind, .at_ms = at_ms, .source = "10.0.1.9"};

	snprintf(event.text, sizeof(event.text), "%s", text);
	explain_event(f, &event);
}

/* What a disk does that an order filled; of one that was there before, no state is told. */
static void a_disk_that_was_deployed(void **state)
{
	static struct explain_facts f;

	(void)state;
	explain_see(&f, EXPLAIN_STATE, 1000, "installed", NULL, NULL);
	tell_event(&f, EVENT_AGENT, "", 1000);
	tell_event(&f, EVENT_ORDER, "local", 1500);
	tell_event(&f, EVENT_ACTION, "deployed", 2000);
	tell_event(&f, EVENT_ORDER, "local done", 3000);
	tell_event(&f, EVENT_IPXE, "local", 4000);
	f.now_ms = 5000;
	assert_null(explain_broken(&f));
	tell_event(&f, EVENT_DHCP, "10.0.1.9", 20000);
	assert_null(explain_broken(&f));
	tell_event(&f, EVENT_IPXE, "agent", 21000);
	assert_string_equal(explain_broken(&f)->id, "returned");
	tell_event(&f, EVENT_ORDER, "run", 22000); /* does not mend it */
	assert_string_equal(explain_broken(&f)->id, "returned");
	tell_event(&f, EVENT_ACTION, "deployed", 30000);
	tell_event(&f, EVENT_IPXE, "local", 40000);
	assert_null(explain_broken(&f));
	tell_event(&f, EVENT_ORDER, "inventory", 50000); /* somebody starts it anew for that */
	tell_event(&f, EVENT_IPXE, "agent", 60000);
	assert_null(explain_broken(&f));
	tell_event(&f, EVENT_IPXE, "local", 70000);
	tell_event(&f, EVENT_IPXE, "agent", 700000); /* it ran for a while */
	assert_null(explain_broken(&f));
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(orders_wait_fail_and_are_lost),
	    cmocka_unit_test(definitions_and_images),
	    cmocka_unit_test(a_disk_that_was_deployed),
	    cmocka_unit_test(strangers),
	    cmocka_unit_test(an_install),
	    cmocka_unit_test(no_disk),
	    cmocka_unit_test(stages_that_stall),
	    cmocka_unit_test(what_is_refused),
	    cmocka_unit_test(events_are_signs),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
