/* order.h - how the agent carries out each of lib/machine/order.h's actions: a file each, with a
 * `struct order`. Its function runs in a process of its own (job.h), which may hang, crash or be
 * ended at any point; what it mounts it should mount in a namespace of its own.
 */
#ifndef OS_INSTALLER_AGENT_ORDER_H
#define OS_INSTALLER_AGENT_ORDER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/agent/board.h"
#include "os_installer/agent/ear.h"
#include "os_installer/agent/server.h"

/* One that is being carried out. */
struct order_run {
	const struct server *server;
	int64_t id;
	const json_t *args; /* an object, or NULL */
	struct ear *ear;    /* who was heard until it began */
	struct board *board;
	int output; /* what is written here is the order's output: for programs that it starts */
	json_t *figures;
};

struct order {
	/* Does it; NULL: all it does is `end`. 0, or negative with the sentence in `e`. */
	int (*run)(struct order_run *o, struct err *e);
	/* In the agent, after the server was told: ends the system. NULL: it goes on. */
	void (*end)(void);
};

/* NULL: there is none, and `e` says which there are. */
const struct order *order_find(const char *name, struct err *e);

/* ---- for the functions: cheap, however often they are called ----------------------------------
 */

/* How far it is; the phase of a failure is the last one. Where nothing is known: 0. */
void order_progress(
    struct order_run *o, const char *phase, uint64_t done_bytes, uint64_t total_bytes);

/* What else there is to say of where it is, in a few words. */
void order_text(struct order_run *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What it writes, as it comes. */
void order_output(struct order_run *o, const void *data, size_t len);

/* What it found, to be kept with the order; `value` is taken. Together at most 4 KiB. */
void order_figure(struct order_run *o, const char *name, json_t *value);

/* What a person may do about its failure. */
void order_hint(struct order_run *o, const char *hint);

/* ---- shared with the agent ---------------------------------------------------------------------
 */

/* Takes the inventory, with who was heard until now, and sends it; as server.h's functions. */
must_check int order_inventory_send(const struct server *s, const struct ear *ear, struct err *e);

#endif
