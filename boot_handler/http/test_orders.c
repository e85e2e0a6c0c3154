/* What operators order and machines make of it: over real listeners. */
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "boot_handler/http/test_asked.h"
#include "lib/base/log.h"

/* ---- progress, lists ---------------------------------------------------------------------- */

static int tell_progress(int64_t id, const char *more)
{
	char body[400];

	snprintf(body, sizeof(body), "{\"mac\":\"" MAC "\",\"id\":%lld%s}", (long long)id, more);
	return ask(ITSELF, "POST", "/api/action-progress", body);
}

static int change(const char *method, int64_t id, const char *what)
{
	char path[100];

	snprintf(path, sizeof(path), "/api/v1/machines/web1/orders/%lld%s", (long long)id, what);
	return ask(NULL, method, path, "");
}

static void how_far_an_order_is(void **state)
{
	(void)state;
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/web1/orders",
			     "{\"action\":\"local\",\"deadline_s\":77}"),
	    200);
	assert_true(says("\"args\":{\"netboot\":\"on\"}") && says("\"deadline_s\":77"));
	int64_t id = given(ITSELF, poll_it, "local");
	assert_true(says(",\"args\":{\"netboot\":\"on\"},\"timeout_s\":7"));
	assert_int_equal(
	    tell_progress(id,
		",\"phase\":\"disk\\u001b[2J\",\"done_bytes\":5,\"total_bytes\":9,\"text\":\"half\""),
	    204);
	assert_int_equal(tell_progress(id + 7, ""), 404);
	assert_int_equal(
	    ask(STRANGE_IP, "POST", "/api/action-progress", "{\"mac\":\"" MAC "\",\"id\":1}"), 403);
	assert_int_equal(tell_progress(0, ""), 400);
	assert_true(says("\"id\" is no order's number"));
	static const char *const wrong[][2] = {{"\"phase\":7", "phase\" is no text"},
	    {"\"text\":[\"x\"]", "text\" is no text"},
	    {"\"done_bytes\":-5", "done_bytes\" is no number of bytes"},
	    {"\"total_bytes\":\"9\"", "total_bytes\" is no number of bytes"}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char more[60];
		snprintf(more, sizeof(more), ",%s", wrong[i][0]);
		assert_int_equal(tell_progress(id, more), 400);
		assert_true(says(wrong[i][1]));
	}
	assert_int_equal(ask(ITSELF, "POST", "/api/action-progress", "{\"mac\":\"" MAC "\"}"), 400);
	assert_true(says("\"id\" is missing"));
	assert_int_equal(change("GET", id, ""), 200);
	assert_true(says("\"phase\":\"disk?[2J\"") && says("\"done_bytes\":5") &&
		    says("\"text\":\"half\""));
	char body[300];
	snprintf(body, sizeof(body),
	    "{\"mac\":\"" MAC
	    "\",\"id\":%lld,\"result\":\"failed\",\"text\":\"no\",\"hint\":\"do\",\"figures\":{\"a\":[1,\"\\u001b\"]}}",
	    (long long)id);
	assert_int_equal(ask(ITSELF, "POST", "/api/action-done", body), 204);
	assert_int_equal(tell_progress(id, ""), 409);
	served_restart();
	assert_int_equal(change("GET", id, ""), 200);
	assert_true(says("\"phase\":\"disk?[2J\"") && says("\"hint\":\"do\"") &&
		    says("\"figures\":{\"a\":[1,\"?\"]}"));
	assert_int_equal(change("GET", id + 1, ""), 404);
	assert_int_equal(change("GET", 0, ""), 400);
	assert_int_equal(change("POST", id, ""), 405);
}

static void what_is_no_order_is_told_what_an_order_is(void **state)
{
	static const char *const bodies[] = {"3", "\"inventory\"", "null", "true", "[7]", "{}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		assert_int_equal(ask(NULL, "POST", "/api/v1/machines/web1/orders", bodies[i]), 400);
		if (!says("must be an order, {") || says("no JSON"))
			fail_msg("%s: %s", bodies[i], answer);
	}
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/web1/orders", "{\"action\""), 400);
	assert_true(says("the body is no JSON (line 1"));
	assert_int_equal(
	    ask(NULL, "POST", "/api/v1/machines/web1/orders",
		"[{\"action\":\"inventory\"},{\"action\":\"wipe\",\"args\":{\"disk\":\"vda\"}}]"),
	    409);
	assert_true(says("order \\\"inventory\\\" alone"));
}

static int64_t give_list(void)
{
	long long id = 0;

	assert_int_equal(
	    ask(NULL, "POST", "/api/v1/machines/web1/orders",
		"[{\"action\":\"inventory\"},{\"action\":\"reboot\"},{\"action\":\"poweroff\"}]"),
	    200);
	assert_int_equal(count("\"state\":\"waiting\""), 3);
	assert_int_equal(sscanf(strstr(answer, "\"id\":"), "\"id\":%lld", &id), 1);
	return id;
}

static int64_t begun_ms(int64_t id)
{
	long long ms = 0;

	assert_int_equal(given(ITSELF, poll_it, "inventory"), id);
	assert_non_null(strstr(answer, "\"begun_ms\":"));
	assert_int_equal(sscanf(strstr(answer, "\"begun_ms\":"), "\"begun_ms\":%lld", &ms), 1);
	return ms;
}

/* An agent whose answer was lost gets the same one again, also from a server that has started anew;
 * one that is begun again is told from it. */
static void an_attempt_is_told_from_the_one_before(void **state)
{
	(void)state;
	for (int cancels = 0; cancels < 2; cancels++) {
		order("web1", "inventory");
		int64_t id = given(ITSELF, poll_it, "inventory"), first = begun_ms(id);
		served_restart();
		assert_int_equal(begun_ms(id), first);
		if (cancels)
			assert_int_equal(change("DELETE", id, ""), 200);
		else
			assert_int_equal(done(ITSELF, MAC, id, "failed"), 204);
		usleep(2000); /* the clock goes on */
		assert_int_equal(change("POST", id, "/resume"), 200);
		assert_true(begun_ms(id) > first);
		assert_int_equal(done(ITSELF, MAC, id, "ok"), 204);
	}
}

static void a_list_stops_and_goes_on(void **state)
{
	int64_t id = give_list();

	(void)state;
	assert_int_equal(given(ITSELF, poll_it, "inventory"), id);
	assert_int_equal(change("POST", id, "/resume"), 409);
	assert_int_equal(tell_progress(id + 1, ""), 409);
	assert_true(says("has not been given to this machine yet"));
	assert_int_equal(done(ITSELF, MAC, id, "failed"), 204);
	assert_int_equal(ask(ITSELF, "GET", poll_it, ""), 204);
	assert_int_equal(change("GET", id + 2, ""), 200);
	assert_true(says("\"state\":\"stopped\"") && says("before it in its list"));
	served_restart();
	assert_int_equal(change("POST", id, "/resume"), 200);
	assert_int_equal(given(ITSELF, poll_it, "inventory"), id);
	assert_int_equal(done(ITSELF, MAC, id, "ok"), 204);
	assert_int_equal(given(ITSELF, poll_it, "reboot"), id + 1);
	/* Taken back while it runs, with what follows. */
	assert_int_equal(tell_progress(id + 1, ""), 204);
	assert_int_equal(change("DELETE", id + 1, ""), 200);
	assert_true(says("\"state\":\"cancelled\""));
	assert_int_equal(tell_progress(id + 1, ""), 409);
	assert_int_equal(done(ITSELF, MAC, id + 1, "ok"), 409);
	assert_int_equal(ask(ITSELF, "GET", poll_it, ""), 204);
	assert_int_equal(change("DELETE", id + 1, ""), 409);
	assert_int_equal(change("POST", id, "/resume"), 409);
	assert_int_equal(change("POST", id + 2, "/resume"), 200);
	assert_int_equal(given(ITSELF, poll_it, "poweroff"), id + 2);
	assert_int_equal(done(ITSELF, MAC, id + 2, "ok"), 204);
	assert_int_equal(change("POST", id + 2, "/resume"), 409);
}

static void netboot_goes_off_at_a_lists_end(void **state)
{
	(void)state;
	assert_int_equal(
	    ask(NULL, "POST", "/api/v1/machines/web1/orders",
		"[{\"action\":\"local\",\"args\":{\"netboot\":\"off\"}},{\"action\":\"inventory\"}]"),
	    200);
	assert_int_equal(done(ITSELF, MAC, given(ITSELF, poll_it, "local"), "ok"), 204);
	assert_int_equal(ask(NULL, "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"netboot\":true"));
	assert_int_equal(done(ITSELF, MAC, given(ITSELF, poll_it, "inventory"), "ok"), 204);
	assert_int_equal(ask(NULL, "GET", "/api/v1/vms/web1", ""), 200);
	assert_true(says("\"netboot\":false"));
	assert_int_equal(ask(NULL, "POST", "/api/v1/vms/web1/netboot/on", ""), 200);
}

/* ---- output, boots ------------------------------------------------------------------------ */

static int write_output(int64_t id, unsigned at, const char *bytes)
{
	char path[100];

	snprintf(path, sizeof(path), "/api/action-output/" MAC "?id=%lld&at=%u", (long long)id, at);
	return ask(ITSELF, "POST", path, bytes);
}

static void an_image_that_is_to_boot_is_there(void **state)
{
	static const char boot[] = "{\"action\":\"boot\",\"args\":{\"image\":\"rescue\"}}";

	(void)state;
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/web1/orders", boot), 409);
	assert_true(says("no boot image \\\"rescue\\\" for amd64"));
	assert_int_equal(
	    ask(STRANGE_IP, "POST", "/api/register-device", "{\"mac\":\"" STRANGE "\"}"), 200);
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/" STRANGE "/orders", boot), 409);
	assert_true(says("has no definition"));
	write_in(dir, "images/rescue/amd64/vmlinuz", "12345");
	write_in(dir, "images/rescue/amd64/manifest.json",
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"rescue\",\"arch\":\"amd64\",\"boot\":{\"kernel\":{\"file\":\"vmlinuz\",\"size_bytes\":5,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}}");
	for (unsigned n = 0; n < 50; n++) {
		if (ask(NULL, "POST", "/api/v1/machines/web1/orders", boot) == 200)
			break;
		usleep(100000); /* it is looked for again after a moment */
	}
	assert_true(says("\"action\":\"boot\""));
	int64_t id = given(ITSELF, poll_it, "boot");
	assert_true(says("\"image\":\"rescue\""));
	assert_int_equal(done(ITSELF, MAC, id, "ok"), 204);
	assert_int_equal(ask(ITSELF, "GET", "/ipxe?mac=" MAC "&arch=x86_64", ""), 200);
	assert_true(says("/images/rescue/amd64/vmlinuz"));
	assert_int_equal(ask(ITSELF, "GET", "/ipxe?mac=" MAC "&arch=x86_64", ""), 200);
	assert_false(says("/images/rescue/amd64/vmlinuz"));
}

static void what_an_order_writes(void **state)
{
	static char large[70000];

	(void)state;
	order("web1", "inventory");
	assert_int_equal(ask(NULL, "GET", "/api/v1/machines/web1/orders", ""), 200);
	int64_t id = 0;
	assert_int_equal(sscanf(strstr(answer, "\"id\":"), "\"id\":%" SCNd64, &id), 1);
	assert_int_equal(write_output(id, 0, "early"), 409);
	assert_int_equal(given(ITSELF, poll_it, "inventory"), id);
	assert_int_equal(write_output(id, 0, "one\n"), 204);
	assert_int_equal(write_output(id, 0, "one\n"), 204);
	assert_int_equal(write_output(id, 4, "two\x1b[2J"), 204);
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(write_output(id, 9, large), 413);
	assert_int_equal(ask(STRANGE_IP, "POST", "/api/action-output/" MAC "?id=1&at=0", "x"), 403);
	assert_int_equal(ask(ITSELF, "POST", "/api/action-output/" MAC "?at=0", "x"), 400);
	assert_int_equal(ask(ITSELF, "POST", "/api/action-output/" MAC "?id=1&at=-1", "x"), 400);
	served_restart();
	assert_int_equal(change("GET", id, "/output"), 200);
	assert_true(says("\r\n\r\none\ntwo\x1b[2J"));
	assert_int_equal(done(ITSELF, MAC, id, "ok"), 204);
	assert_int_equal(write_output(id, 10, "late"), 409);
	assert_int_equal(change("GET", id + 7, "/output"), 404);
}

static void what_waits_for_what(void **state)
{
	(void)state;
	assert_int_equal(
	    ask(STRANGE_IP, "POST", "/api/register-device", "{\"mac\":\"" STRANGE "\"}"), 200);
	assert_int_equal(ask(STRANGE_IP, "GET", "/ipxe?mac=" STRANGE "&arch=x86_64", ""), 200);
	order(STRANGE, "inventory");
	assert_true(
	    says("\"waits_for\":\"its agent is not running: it starts at the machine's next"));
	int64_t id = given(STRANGE_IP, poll_strange, "inventory");
	order(STRANGE, "inventory");
	assert_true(says("\"waits_for\":null"));
	assert_int_equal(done(STRANGE_IP, STRANGE, id, "ok"), 204);
	assert_int_equal(
	    done(STRANGE_IP, STRANGE, given(STRANGE_IP, poll_strange, "inventory"), "ok"), 204);
	assert_int_equal(ask(NULL, "POST", "/api/v1/machines/" STRANGE "/orders",
			     "{\"action\":\"local\",\"args\":{\"netboot\":\"off\"}}"),
	    409);
	assert_true(says("as it has no definition"));
}

/* The file may grow by so much: for the probe and for some of what follows it, or for all. What is
 * refused is not done, whether it was the probe that failed or what came after. */
static void what_is_refused_is_not_done(void **state)
{
	static const char *const orders[][2] = {
	    {"/api/v1/vms/web1/netboot/off", "/api/v1/vms/web1/netboot/on"},
	    {"/api/v1/machines/" STRANGE "/ignore", "/api/v1/machines/" STRANGE "/unignore"}};
	static const char *const shows[][2] = {
	    {"/api/v1/vms/web1", "\"netboot\":false"}, {"/api/v1/machines", "\"ignored\":true"}};
	unsigned refused[2] = {0}, done_so[2] = {0};
	struct rlimit before, few;
	struct stat wal;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (int i = 0; i < 2 * 16; i++) {
		int which = i % 2;
		assert_int_equal(ask(NULL, "POST", orders[which][1], ""), 200);
		assert_int_equal(stat(file_in(dir, "state.db-wal"), &wal), 0);
		few = before;
		few.rlim_cur = (rlim_t)wal.st_size + (rlim_t)(i / 2) * 4120;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
		int status = ask(NULL, "POST", orders[which][0], "");
		assert_int_equal(ask(NULL, "GET", shows[which][0], ""), 200);
		if (says(shows[which][1]) != (status == 200))
			fail_msg("%s with room for %d pages: %d", orders[which][0], i / 2, status);
		*(status == 200 ? &done_so[which] : &refused[which]) += 1;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	}
	assert_true(refused[0] > 1 && done_so[0] > 1 && refused[1] > 1 && done_so[1] > 1);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(how_far_an_order_is),
	    cmocka_unit_test(an_attempt_is_told_from_the_one_before),
	    cmocka_unit_test(what_is_no_order_is_told_what_an_order_is),
	    cmocka_unit_test(a_list_stops_and_goes_on),
	    cmocka_unit_test(netboot_goes_off_at_a_lists_end),
	    cmocka_unit_test(an_image_that_is_to_boot_is_there),
	    cmocka_unit_test(what_an_order_writes),
	    cmocka_unit_test(what_waits_for_what),
	    cmocka_unit_test(what_is_refused_is_not_done),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, setup, teardown);
}
