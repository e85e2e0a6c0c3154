/* server.h - what the agent asks and tells its server: the four calls, each one request.
 *
 * Functions return 0, SERVER_REFUSED for an answer that another try does not change (4xx, with the
 * sentence in `e`), or -errno: no answer, or one that says to come back. */
#ifndef OS_INSTALLER_AGENT_SERVER_H
#define OS_INSTALLER_AGENT_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/agent/identity.h"

#define SERVER_REFUSED 1
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
};

/* Tells who is here. `name` is what the server calls the machine. */
must_check int server_register(const struct server *s, const char *uuid, const char *serial,
    char *name, size_t size, struct err *e);

must_check int server_inventory(const struct server *s, const json_t *inventory, struct err *e);

/* Waits up to wait_s (at most 60) for an order. */
must_check int server_poll(
    const struct server *s, unsigned wait_s, struct server_order *out, struct err *e);

must_check int server_done(
    const struct server *s, const struct server_order *o, bool ok, const char *text, struct err *e);

#endif
