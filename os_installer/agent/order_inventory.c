#include "os_installer/agent/order.h"

#include <errno.h>

#include "os_installer/fetch/patience.h"
#include "os_installer/inventory/inventory.h"

extern const struct order order_inventory;

static int take(const struct ear *ear, json_t **doc, struct err *e)
{
	int r = inventory_make("", doc, e);

	if (r == 0)
		ear_tell(ear, *doc);
	return r;
}

int order_inventory_send(const struct server *s, const struct ear *ear, struct err *e)
{
	json_t *doc;
	int r = take(ear, &doc, e);

	if (r < 0)
		return r;
	r = server_inventory(s, doc, e);
	json_decref(doc);
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	struct patience patience;
	json_t *doc;
	int r = take(o->ear, &doc, e);

	if (r < 0)
		return r;
	patience_begin(&patience, PATIENCE_S);
	do
		r = server_inventory(o->server, doc, e);
	while (r < 0 && patience_rest(&patience, e->msg));
	json_decref(doc);
	return r == SERVER_REFUSED ? -EPROTO : r;
}

const struct order order_inventory = {.run = run};
