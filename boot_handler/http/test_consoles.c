#include "boot_handler/http/test_served.h"

#include <fcntl.h>
#include <inttypes.h>
#include <nettle/base64.h>
#include <poll.h>
#include <sys/stat.h>

#include "boot_handler/http/consoles.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/machine/console.h"

#define PATIENCE_MS 20000
#define API "/api/v1/machines/web1/console"

static char folder[80], log_path[100], keys_path[100];

/* ---- the machine's side ------------------------------------------------------------------ */

static void prints(const char *bytes, size_t len)
{
	FILE *f = fopen(log_path, "ae");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int reads(void)
{
	(void)unlink(keys_path);
	assert_int_equal(mkfifo(keys_path, 0600), 0);
	int fd = open(keys_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* ---- who looks --------------------------------------------------------------------------- */

struct watcher {
	int fd;
	size_t len, decoded;
	char got[2000000], printed[1500000];
};

/* By HTTP/1.0: without chunks, of which the lengths would stand in between. */
static void watch(struct watcher *w, const char *query, const char *last)
{
	char text[400];
	int n =
	    snprintf(text, sizeof(text), "GET " API "/stream%s HTTP/1.0\r\nHost: x\r\n%s%s%s\r\n",
		query, last ? "Last-Event-ID: " : "", last ? last : "", last ? "\r\n" : "");

	memset(w, 0, sizeof(*w));
	w->fd = served_dial(ENDPOINT_OPERATOR);
	served_send(w->fd, text, (size_t)n);
}

/* Of whole events. */
static void decode(struct watcher *w)
{
	w->decoded = 0;
	for (const char *p = w->got, *end; (p = strstr(p, "\ndata: ")); p = end) {
		struct base64_decode_ctx ctx;
		size_t n = sizeof(w->printed) - w->decoded;

		p += strlen("\ndata: ");
		end = strstr(p, "\n\n");
		if (!end)
			return;
		if (*p == '{')
			continue;
		base64_decode_init(&ctx);
		assert_int_equal(base64_decode_update(&ctx, &n, (uint8_t *)w->printed + w->decoded,
				     (size_t)(end - p), p),
		    1);
		w->decoded += n;
	}
	w->printed[w->decoded] = '\0';
}

static bool more(struct watcher *w, int64_t until)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	if (monotonic_ms() >= until || poll(&p, 1, 1000) < 0)
		return false;
	ssize_t n = p.revents ? recv(w->fd, w->got + w->len, sizeof(w->got) - w->len - 1, 0) : 0;
	if (p.revents && n <= 0)
		return false;
	w->len += (size_t)n;
	w->got[w->len] = '\0';
	return true;
}

static bool hears(struct watcher *w, const char *what)
{
	int64_t until = monotonic_ms() + PATIENCE_MS;

	while (!strstr(w->got, what))
		if (!more(w, until))
			return false;
	return true;
}

static bool sees(struct watcher *w, const char *what)
{
	int64_t until = monotonic_ms() + PATIENCE_MS;

	for (;;) {
		decode(w);
		if (memmem(w->printed, w->decoded, what, strlen(what)))
			return true;
		if (!more(w, until))
			return false;
	}
}

static uint64_t last_id(const struct watcher *w)
{
	uint64_t id = 0;

	for (const char *p = w->got; (p = strstr(p, "\nid: ")); p++)
		sscanf(p, "\nid: %" SCNu64, &id);
	return id;
}

static int asks(const char *method, const char *path, const char *body, char *answer, size_t size)
{
	return served_finish(
	    served_begin(ENDPOINT_OPERATOR, "192.168.100.9", method, path, body), answer, size);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void what_is_printed_comes_from_where_one_is(void **state)
{
	static struct watcher w;
	char last[32];

	(void)state;
	watch(&w, "", NULL);
	assert_true(hears(&w, "event: hello"));
	prints("one\n", 4);
	assert_true(sees(&w, "one\n"));
	snprintf(last, sizeof(last), "%" PRIu64, last_id(&w));
	close(w.fd);
	prints("two\0\n", 5);
	watch(&w, "", last);
	assert_true(sees(&w, "\n"));
	assert_int_equal(w.decoded, 5);
	assert_memory_equal(w.printed, "two\0\n", 5);
	close(w.fd);
}

/* From a whole line of the last 64 KiB on. */
static void the_last_of_it_is_replayed(void **state)
{
	static char line[1000], answer[200000];
	static struct watcher w;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 200; i++)
		prints(line, sizeof(line));
	prints("end\n", 4);
	watch(&w, "", NULL);
	assert_true(sees(&w, "end\n"));
	assert_int_equal(w.decoded, 65 * sizeof(line) + 4);
	close(w.fd);
	assert_int_equal(asks("GET", API, "", answer, sizeof(answer)), 200);
	assert_non_null(strstr(answer, "Content-Length: 65004"));
}

static void what_is_left_out_is_told_and_a_log_that_begins_anew(void **state)
{
	static char much[900000];
	static struct watcher w;
	struct stat st;
	uint64_t left_out = 0;

	(void)state;
	memset(much, 'y', sizeof(much));
	watch(&w, "", NULL);
	assert_true(sees(&w, "end\n"));
	size_t before = w.decoded;
	prints(much, sizeof(much));
	prints("after\n", 6);
	assert_true(sees(&w, "after\n"));
	for (const char *p = w.got; (p = strstr(p, "event: gap\ndata: {\"bytes\":")); p++) {
		uint64_t bytes = 0;
		assert_int_equal(sscanf(p, "event: gap\ndata: {\"bytes\":%" SCNu64, &bytes), 1);
		left_out += bytes;
	}
	assert_true(left_out > 0);
	assert_int_equal(left_out + w.decoded - before, sizeof(much) + 6);
	assert_int_equal(stat(log_path, &st), 0);
	assert_int_equal(last_id(&w), st.st_size);
	assert_int_equal(truncate(log_path, 0), 0);
	prints("anew\n", 5);
	assert_true(sees(&w, "anew\n"));
	assert_non_null(strstr(w.got, "event: begin\ndata: {\"at\":0}"));
	assert_int_equal(unlink(log_path), 0);
	prints("another\n", 8);
	assert_true(sees(&w, "another\n"));
	close(w.fd);
}

static void keys_go_to_the_machine_also_after_it_has_begun_anew(void **state)
{
	char answer[2000], bytes[100] = "";

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    asks("POST", API "/keys", "{\"keys\":\"x\"}", answer, sizeof(answer)), 409);
		assert_non_null(strstr(answer, "it is not running, and nothing was typed"));
		int fd = reads();
		assert_int_equal(asks("POST", API "/keys", "{\"keys\":\"a\\u0000\\u001b[A\"}",
				     answer, sizeof(answer)),
		    200);
		assert_non_null(strstr(answer, "{\"typed\":5}"));
		assert_int_equal(
		    asks("POST", API "/keys", "{\"keys\":\"b\"}", answer, sizeof(answer)), 200);
		assert_int_equal(read(fd, bytes, sizeof(bytes)), 6);
		assert_memory_equal(bytes, "a\0\033[Ab", 6);
		close(fd);
	}
}

static void how_much_was_taken_is_told(void **state)
{
	static char body[16000], answer[2000];
	int fd = reads(), status;
	size_t taken;

	(void)state;
	memset(body, 'z', sizeof(body) - 1);
	memcpy(body, "{\"keys\":\"", 9);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	do
		status = asks("POST", API "/keys", body, answer, sizeof(answer));
	while (status == 200);
	assert_int_equal(status, 409);
	assert_int_equal(sscanf(strstr(answer, "of 15988 bytes"),
			     "of 15988 bytes the first %zu were taken", &taken),
	    1);
	assert_true(taken < 15988);
	close(fd);
	(void)unlink(keys_path);
}

static bool explained_by(const char *rule)
{
	static char answer[200000];
	char wanted[60];

	snprintf(wanted, sizeof(wanted), "\"rule\":\"%s\"", rule);
	int fd = served_begin(ENDPOINT_OPERATOR, "", "GET", "/api/v1/machines/web1/explain", "");
	assert_int_equal(served_finish(fd, answer, sizeof(answer)), 200);
	return strstr(answer, wanted) != NULL;
}

/* On the screen of a VM that runs. */
static void what_the_screen_tells_is_explained(void **state)
{
	static const char denied[] = ">>Start PXE over IPv4.\r\n"
				     "BdsDxe: failed to load Boot0002: Access Denied\r\n";

	(void)state;
	prints(denied, sizeof(denied) - 1);
	int keys = reads();
	assert_true(explained_by("secure-boot"));
	close(keys);
	assert_false(explained_by("secure-boot"));
}

static void so_many_and_no_more(void **state)
{
	static struct watcher w;
	int fds[CONSOLES_MAX];

	(void)state;
	sleep_ms(3 * CONSOLES_EVERY_MS);
	prints("is anyone there\n", 16); /* those of before, found gone */
	sleep_ms(3 * CONSOLES_EVERY_MS);
	for (int i = 0; i < CONSOLES_MAX; i++) {
		static const char ask[] = "GET " API "/stream HTTP/1.1\r\nHost: x\r\n\r\n";
		char byte;
		fds[i] = served_dial(ENDPOINT_OPERATOR);
		served_send(fds[i], ask, sizeof(ask) - 1);
		assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
	}
	watch(&w, "", NULL);
	assert_true(hears(&w, "HTTP/1.1 503"));
	assert_true(hears(&w, "64 look at serial consoles already"));
	close(w.fd);
	for (int i = 0; i < CONSOLES_MAX; i++)
		close(fds[i]);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static int setup(void **state)
{
	struct err e = ERR_INIT;
	static char root[60];

	(void)state;
	log_set_sink(silent);
	served_make();
	snprintf(root, sizeof(root), "%s/consoles", dir);
	snprintf(folder, sizeof(folder), "%s/52-54-00-00-00-11", root);
	snprintf(log_path, sizeof(log_path), "%s/" CONSOLE_LOG, folder);
	snprintf(keys_path, sizeof(keys_path), "%s/" CONSOLE_KEYS, folder);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(mkdir(folder, 0755), 0);
	write_in(served_vms, "web1.json", "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\"}");
	served_open();
	if (consoles_new(root, 300, &services.consoles, &e) < 0)
		fail_msg("%s", e.msg);
	served_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	consoles_stop(services.consoles);
	served_stop();
	consoles_free(services.consoles);
	return served_close();
}

static void who_is_told_nothing_is_kept(void **state)
{
	static struct watcher w;

	(void)state;
	watch(&w, "", NULL);
	assert_true(hears(&w, "event: hello"));
	assert_true(hears(&w, "\n\n:\n\n:\n\n"));
	close(w.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_is_told_nothing_is_kept),
	    cmocka_unit_test(what_is_printed_comes_from_where_one_is),
	    cmocka_unit_test(the_last_of_it_is_replayed),
	    cmocka_unit_test(what_is_left_out_is_told_and_a_log_that_begins_anew),
	    cmocka_unit_test(keys_go_to_the_machine_also_after_it_has_begun_anew),
	    cmocka_unit_test(how_much_was_taken_is_told),
	    cmocka_unit_test(what_the_screen_tells_is_explained),
	    cmocka_unit_test(so_many_and_no_more),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
