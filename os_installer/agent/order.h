/* order.h - how the agent carries out each of lib/machine/order.h's actions: a row each. */
#ifndef OS_INSTALLER_AGENT_ORDER_H
#define OS_INSTALLER_AGENT_ORDER_H

#include <stddef.h>

#include "lib/base/err.h"
#include "os_installer/agent/ear.h"
#include "os_installer/agent/server.h"

struct order {
	/* Does it; NULL: all it does is `end`. 0, or negative with the sentence in `e`. */
	int (*run)(const struct server *s, struct ear *ear, struct err *e);
	/* Ends the system, after the server was told; NULL: it goes on. */
	void (*end)(void);
};

/* NULL: there is none, and `e` says which there are. */
const struct order *order_find(const char *name, struct err *e);

/* Takes the inventory, with who was heard until now, and sends it; as server.h's functions. */
must_check int order_inventory(const struct server *s, struct ear *ear, struct err *e);

#endif
