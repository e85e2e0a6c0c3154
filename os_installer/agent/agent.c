#include "os_installer/agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "os_installer/agent/job.h"
#include "os_installer/agent/order.h"
#include "os_installer/agent/server.h"
#include "os_installer/base/cgroup.h"
#include "os_installer/base/offspring.h"
#include "os_installer/inventory/parts.h"

#define POLL_WAIT_S 50
#define POLL_LEAST_MS 1000 /* between two polls: a server may know no waiting */
#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS 30000
#define NAME_SIZE 128
#define GROUP "vmlab-order-" /* and the MAC address: tests have several machines in one kernel */
#define LEFT_MS 10000

struct agent {
	char group[CGROUP_PATH_SIZE]; /* of what orders run; "": there is none */
	struct server server;
	struct ear ear;
	bool known; /* to the server */
	bool inventoried;
	bool lost; /* it was said that the server does not answer */
	int64_t retry_ms;
	int64_t polled_ms;
	bool owes; /* `last` is done and the server has not heard it */
	struct server_order last;
	const struct order *end; /* what is to follow then, or NULL */
	struct said said;        /* of it */
};

/* ---- one step each; as server.h's functions ----------------------------------------------------
 */

static int introduce(struct agent *a, struct err *e)
{
	json_t *system = inventory_system("");
	char name[NAME_SIZE];
	int r = server_register(&a->server, json_string_value(json_object_get(system, "uuid")),
	    json_string_value(json_object_get(system, "serial")), name, sizeof(name), e);

	json_decref(system);
	if (r == 0) {
		a->known = true;
		a->inventoried = false;
		log_info("registered as %s mac=%s ip=%s", name, a->server.as.mac, a->server.as.ip);
	}
	return r;
}

static int inventory(struct agent *a, struct err *e)
{
	(void)ear_listen(&a->ear);
	int r = order_inventory_send(&a->server, &a->ear, e);

	a->inventoried = r >= 0;
	if (r == SERVER_REFUSED)
		log_warn("the inventory was refused, the agent goes on without: %s", e->msg);
	else if (r == 0)
		log_info("the inventory is sent, waiting for orders");
	return r < 0 ? r : 0;
}

/* What ends the machine is left when the server does not want to hear of it: it was cancelled. */
static int settle(struct agent *a, struct err *e)
{
	const struct order *end = a->end;
	int r = server_done(&a->server, &a->last, &a->said, e);

	if (r < 0)
		return r;
	a->owes = false;
	a->end = NULL;
	if (r == SERVER_REFUSED)
		log_warn("order %s is over for the server: %s", a->last.action, e->msg);
	else if (end)
		end->end();
	return 0;
}

/* What the agent cannot do fails before anything is begun. */
static void carry_out_new(struct agent *a)
{
	const struct order *order = order_find(a->last.action, &a->said.why);

	log_info("order %s", a->last.action);
	(void)ear_listen(&a->ear);
	if (order && order->run)
		job_run(
		    order, &a->last, &a->server, &a->ear, a->group[0] ? a->group : NULL, &a->said);
	else
		a->said.ok = order != NULL;
	a->end = a->said.ok && order->end ? order : NULL;
	if (!a->said.ok)
		log_warn("order %s failed: %s", a->last.action, a->said.why.msg);
}

/* One that was told of before is not done again: it is told how that ended. Begun again by the
 * operator it is another attempt. */
static bool is_told_again(const struct agent *a, const struct server_order *told)
{
	return told->has_id && a->last.has_id && a->last.id == told->id &&
	       a->last.begun_ms == told->begun_ms && strcmp(a->last.action, told->action) == 0 &&
	       !a->end;
}

/* `told` is taken. */
static void carry_out(struct agent *a, struct server_order *told)
{
	a->owes = true;
	if (is_told_again(a, told)) {
		server_order_clear(told);
		return;
	}
	server_order_clear(&a->last);
	a->last = *told;
	memset(&a->said, 0, sizeof(a->said));
	carry_out_new(a);
}

static int poll_once(struct agent *a, struct err *e)
{
	struct server_order told;

	sleep_ms(a->polled_ms + POLL_LEAST_MS - monotonic_ms());
	a->polled_ms = monotonic_ms();
	int r = server_poll(&a->server, POLL_WAIT_S, &told, e);
	if (r == SERVER_REFUSED)
		a->known = false; /* its memory may be gone */
	if (r == 0)
		a->retry_ms = RETRY_FIRST_MS;
	if (ear_listen(&a->ear))
		a->inventoried = false; /* plugged in elsewhere, or it is known where now */
	if (r == 0 && told.action[0])
		carry_out(a, &told);
	else
		server_order_clear(&told);
	return r;
}

static int step(struct agent *a, struct err *e)
{
	if (!a->known)
		return introduce(a, e);
	if (!a->inventoried)
		return inventory(a, e);
	return a->owes ? settle(a, e) : poll_once(a, e);
}

/* ---- for ever ----------------------------------------------------------------------------------
 */

/* Between half of it and all: machines that lost their server together do not come back so. */
static void rest(struct agent *a)
{
	sleep_ms(a->retry_ms / 2 + random() % (a->retry_ms / 2 + 1));
	a->retry_ms = a->retry_ms * 2 < RETRY_MOST_MS ? a->retry_ms * 2 : RETRY_MOST_MS;
}

static void heard(struct agent *a)
{
	if (a->lost)
		log_info("the server answers again");
	a->lost = false;
}

static void unheard(struct agent *a, const struct err *e)
{
	if (!a->lost)
		log_warn("%s; trying again until it is better", e->msg);
	a->lost = true;
	rest(a);
}

static int server_set(struct server *s, const char *url, const char *cmdline, struct err *e)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (len >= sizeof(s->url))
		return err_set(
		    e, EINVAL, "agent_url= is longer than %zu bytes", sizeof(s->url) - 1);
	memcpy(s->url, url, len);
	s->url[len] = '\0';
	return identity_find(cmdline, &s->as, e);
}

/* What an order of an agent before runs still, that was killed together with the order's keeper. */
static void end_what_is_left(struct agent *a)
{
	char name[sizeof(GROUP) + MAC_TEXT_SIZE];
	struct err why = ERR_INIT;
	unsigned left;

	snprintf(name, sizeof(name), GROUP "%s", a->server.as.mac);
	if (cgroup_open(name, a->group, &why) < 0) {
		a->group[0] = '\0';
		log_warn(
		    "an agent that is killed may leave behind what its order runs: %s", why.msg);
		return;
	}
	unsigned found = cgroup_end(a->group, LEFT_MS, &left);
	if (found)
		log_warn("%u processes of an order of the agent before went on; %u do not end",
		    found, left);
}

int agent_run(const char *url, const char *cmdline, struct err *e)
{
	struct agent a = {.retry_ms = RETRY_FIRST_MS, .polled_ms = -POLL_LEAST_MS};
	int r = server_set(&a.server, url, cmdline, e);

	if (r < 0)
		return r;
	offspring_adopt();
	end_what_is_left(&a);
	ear_open(&a.ear);
	srandom((unsigned)wall_ms() ^ (unsigned)a.server.as.mac[15] << 8 ^
		(unsigned)a.server.as.mac[16]);
	for (;;) {
		struct err why = ERR_INIT;
		if (step(&a, &why) == 0)
			heard(&a);
		else
			unheard(&a, &why);
	}
}
