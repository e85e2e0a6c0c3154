#include "os_installer/agent/order.h"

#include <errno.h>

#include "os_installer/inventory/inventory.h"

extern const struct order order_inventory;

int order_inventory_send(const struct server *s, const struct ear *ear, struct err *e)
{
	json_t *doc;
	int r = inventory_make("", &doc, e);

	if (r < 0)
		return r;
	ear_tell(ear, doc);
	r = server_inventory(s, doc, e);
	json_decref(doc);
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	int r = order_inventory_send(o->server, o->ear, e);

	return r == SERVER_REFUSED ? -EPROTO : r;
}

const struct order order_inventory = {.run = run};
