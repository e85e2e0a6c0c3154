/* server.h - what the agent asks and tells its server: the calls, each one request.
 *
 * Functions return 0, SERVER_REFUSED for an answer that another try does not change (4xx, with the
 * sentence in `e`), or -errno: no answer, or one that says to come back. */
#ifndef OS_INSTALLER_AGENT_SERVER_H
#define OS_INSTALLER_AGENT_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/agent/board.h"
#include "os_installer/agent/identity.h"

#define SERVER_REFUSED 1
#define SERVER_OVER 2 /* of an order: the server says that it is over */
#define SERVER_OUTPUT_MAX 65536U
#define SERVER_URL_SIZE 1024
#define SERVER_ORDER_SIZE 32

struct server {
	char url[SERVER_URL_SIZE]; /* without a slash at its end */
	struct identity as;
};

/* An order, or none: `action` is "" then. */
struct server_order {
	char action[SERVER_ORDER_SIZE];
	bool has_id;
	int64_t id;
	int64_t
	    begun_ms; /* when its attempt was begun, by the server's clock; 0: it does not say */
	json_t *args; /* an object, or NULL; server_order_clear() frees it */
	int64_t timeout_s; /* 0: none */
};

void server_order_clear(struct server_order *o);

/* Tells who is here. `name` is what the server calls the machine. */
must_check int server_register(const struct server *s, const char *uuid, const char *serial,
    char *name, size_t size, struct err *e);

must_check int server_inventory(const struct server *s, const json_t *inventory, struct err *e);

/* Waits up to wait_s (at most 60) for an order; `out` must be cleared. */
must_check int server_poll(
    const struct server *s, unsigned wait_s, struct server_order *out, struct err *e);

/* How far the order is. Also SERVER_OVER. */
must_check int server_progress(
    const struct server *s, int64_t id, const struct said *said, struct err *e);

/* What it wrote, at most SERVER_OUTPUT_MAX bytes, the first of them that at `at`. Also SERVER_OVER.
 */
must_check int server_output(
    const struct server *s, int64_t id, uint64_t at, const void *data, size_t len, struct err *e);

must_check int server_done(
    const struct server *s, const struct server_order *o, const struct said *said, struct err *e);

#endif
