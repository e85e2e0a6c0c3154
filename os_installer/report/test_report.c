/* test_report.c - what reaches the server: the log's last lines, also those of forked processes,
 * and the bodies of reports, against an HTTP server of one thread that answers as it is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "os_installer/report/journal.h"
#include "os_installer/report/report.h"
#include "os_installer/unpack/handover.h"

#define BODIES_MAX 16

struct server {
	pthread_t thread;
	int listener;
	char url[64];
	unsigned refuse; /* so many requests are answered 503 first */
	unsigned count;
	char *body[BODIES_MAX];
};

static char *request_read(int fd)
{
	size_t size = 128 * 1024, used = 0;
	char *buf = calloc(1, size), *body = NULL;

	for (;;) {
		ssize_t n = recv(fd, buf + used, size - 1 - used, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
		char *end = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "content-length:");
		if (end && length &&
		    used >= (size_t)(end + 4 - buf) + strtoul(length + 15, NULL, 10)) {
			body = strdup(end + 4);
			break;
		}
	}
	free(buf);
	return body;
}

static void *serve(void *ctx)
{
	struct server *s = ctx;

	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		char *body = request_read(fd);
		bool no = s->refuse > 0;
		if (no)
			s->refuse--;
		dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		    no ? "503 Later" : "204 OK");
		close(fd);
		if (!no && body && s->count < BODIES_MAX)
			s->body[s->count++] = body;
		else
			free(body);
	}
}

static void server_start(struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	getsockname(s->listener, (struct sockaddr *)&a, &len);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/report/x", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	for (unsigned i = 0; i < s->count; i++)
		free(s->body[i]);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void test_journal(void **state)
{
	char wide[2000];
	size_t lines = 1;

	(void)state;
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	for (int i = 0; i < 250; i++)
		log_debug("line %d %s \xff\x01", i, i == 200 ? "" : wide);
	char *text = journal_text();
	for (const char *p = text; *p; p++) {
		lines += *p == '\n';
		assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
	}
	assert_int_equal(lines, JOURNAL_LINES); /* all of them, however long */
	assert_non_null(strstr(text, "line 200 "));
	assert_non_null(strstr(text, "line 249 "));
	assert_null(strstr(text, "line 149 "));
	assert_true(strlen(text) <= JOURNAL_TEXT_MAX);
	free(text);
}

static void test_journal_of_children(void **state)
{
	int status;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			log_warn("from the child");
			for (int n = 0; n < 100000; n++)
				log_debug("noise");
			_exit(0);
		}
		usleep(2000 + i * 100);
		kill(pid, SIGKILL); /* with the lock or without */
		assert_int_equal(waitpid(pid, &status, 0), pid);
		log_info("from the parent");
	}
	pid_t pid = fork();
	if (pid == 0) {
		log_warn("the child's last word");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	char *text = journal_text();
	assert_non_null(strstr(text, "from the parent"));
	assert_non_null(strstr(text, "warn: the child's last word"));
	free(text);
}

static void test_failure(void **state)
{
	struct server s = {.refuse = 2};
	struct report *r = NULL;
	struct err e = ERR_INIT;

	(void)state;
	server_start(&s);
	assert_int_equal(report_start(s.url, &r, &e), 0);
	for (int i = 0; i < 120; i++)
		log_debug("step %d of \"it\"", i);
	assert_int_equal(report_failure(r, "rootfs", "no \xc3\xa4 room\n", "take more", &e), 0);
	report_stop(r);
	assert_int_equal(s.count, 1);
	json_t *o = json_loads(s.body[0], 0, NULL);
	assert_string_equal(text_of(o, "phase"), "rootfs");
	assert_string_equal(text_of(o, "status"), "failed");
	assert_string_equal(text_of(o, "message"), "no ?? room?");
	assert_string_equal(text_of(o, "hint"), "take more");
	assert_non_null(strstr(text_of(o, "log"), "step 20 of \"it\"\n"));
	assert_non_null(strstr(text_of(o, "log"), "step 119 of"));
	json_decref(o);
	server_stop(&s);
}

static void test_progress(void **state)
{
	struct server s = {.refuse = 0};
	struct report *r = NULL;
	struct err e = ERR_INIT;
	struct report_bytes b = {10, 100, 5, 18}, unknown = {10, 100, 0, -1};

	(void)state;
	server_start(&s);
	assert_int_equal(report_start(s.url, &r, &e), 0);
	report_set_disk(r, UINT64_C(8589934592));
	report_phase(r, "rootfs", false);
	usleep(200000);
	report_progress(r, "rootfs", &b);
	usleep(200000);
	report_progress(r, "rootfs", &unknown);
	usleep(200000);
	assert_int_equal(report_success(r, NULL, 5, &e), 0);
	report_stop(r);
	assert_int_equal(s.count, 4);
	assert_string_equal(s.body[0], "{\"phase\":\"rootfs\",\"status\":\"running\","
				       "\"disk_bytes\":8589934592}");
	assert_string_equal(s.body[1], "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":10,"
				       "\"total_bytes\":100,\"rate_bytes_per_s\":5,\"eta_s\":18}");
	assert_non_null(strstr(s.body[2], "\"eta_s\":-1"));
	assert_non_null(strstr(s.body[3], "\"phase\":\"report\",\"status\":\"done\",\"log\":\""));
	server_stop(&s);
}

/* Nobody takes the chunks: the producer can still look after other things. */
static void test_handover_wait(void **state)
{
	struct handover *h;
	struct err e = ERR_INIT;
	uint8_t *buffer;

	(void)state;
	assert_int_equal(handover_new(4096, &h, &e), 0);
	for (int i = 0; i < HANDOVER_SLOTS; i++) {
		assert_true(handover_wait(h, 0));
		assert_int_equal(handover_take(h, &buffer, &e), 0);
	}
	assert_false(handover_wait(h, 20));
	handover_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_journal),
	    cmocka_unit_test(test_journal_of_children),
	    cmocka_unit_test(test_failure),
	    cmocka_unit_test(test_progress),
	    cmocka_unit_test(test_handover_wait),
	};

	journal_start(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
