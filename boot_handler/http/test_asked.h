/* test_asked.h - for tests: an operator, web1 that runs the agent, and a stranger that does, who
 * ask the server and hear it. */
#ifndef BOOT_HANDLER_HTTP_TEST_ASKED_H
#define BOOT_HANDLER_HTTP_TEST_ASKED_H

#include <arpa/inet.h>

#include "boot_handler/http/test_served.h"

#define MAC "52:54:00:00:00:11"
#define STRANGE "52:54:00:00:00:99"
#define ITSELF "10.0.0.11"
#define STRANGE_IP "10.0.0.99"

static inline int setup(void **state)
{
	struct lease lease = {.has_mac = true, .mac = {{0x52, 0x54, 0, 0, 0, 0x99}}};

	(void)state;
	served_make();
	write_in(dir, "vms/web1.json",
	    "{\"name\":\"web1\",\"mac\":\"" MAC "\",\"ip\":\"" ITSELF "\",\"mode\":\"off\"}");
	served_open();
	inet_pton(AF_INET, STRANGE_IP, &lease.ip);
	lease_memory_take(&services.undeclared, &lease);
	served_start();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	served_stop();
	return served_close();
}

/* ---- asked ------------------------------------------------------------------------------- */

/* `source` NULL: the operator. */
static inline int begin(const char *source, const char *method, const char *path, const char *body)
{
	return served_begin(
	    source ? ENDPOINT_GUEST : ENDPOINT_OPERATOR, source ? source : "", method, path, body);
}

static char answer[200000];

static inline int ask(const char *source, const char *method, const char *path, const char *body)
{
	return served_finish(begin(source, method, path, body), answer, sizeof(answer));
}

static inline bool says(const char *part)
{
	return strstr(answer, part) != NULL;
}

static inline unsigned count(const char *part)
{
	unsigned n = 0;

	for (const char *at = answer; (at = strstr(at, part)); at++)
		n++;
	return n;
}

#define poll_it "/api/device-action-poll?mac=" MAC
#define poll_strange "/api/device-action-poll?mac=" STRANGE

static inline void order(const char *machine, const char *action)
{
	char path[200], body[100];

	snprintf(path, sizeof(path), "/api/v1/machines/%s/orders", machine);
	snprintf(body, sizeof(body), "{\"action\":\"%s\"}", action);
	assert_int_equal(ask(NULL, "POST", path, body), 200);
}

static inline int64_t given(const char *source, const char *path, const char *action)
{
	char want[60];
	long long id = 0;

	assert_int_equal(ask(source, "GET", path, ""), 200);
	snprintf(want, sizeof(want), "{\"action\":\"%s\",\"id\":", action);
	const char *at = strstr(answer, want);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(want), "%lld", &id), 1);
	return id;
}

static inline int done(const char *source, const char *mac, int64_t id, const char *result)
{
	char body[200];

	snprintf(body, sizeof(body),
	    "{\"mac\":\"%s\",\"id\":%lld,\"result\":\"%s\",\"text\":\"a\\u001b[2Jb\"}", mac,
	    (long long)id, result);
	return ask(source, "POST", "/api/action-done", body);
}

#endif
