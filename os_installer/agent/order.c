#include "os_installer/agent/order.h"

#include <errno.h>
#include <string.h>

#include "lib/base/words.h"
#include "os_installer/base/ending.h"
#include "os_installer/inventory/inventory.h"

int order_inventory(const struct server *s, struct ear *ear, struct err *e)
{
	json_t *doc;
	int r = inventory_make("", &doc, e);

	if (r < 0)
		return r;
	(void)ear_listen(ear);
	ear_tell(ear, doc);
	r = server_inventory(s, doc, e);
	json_decref(doc);
	return r;
}

static int inventory_run(const struct server *s, struct ear *ear, struct err *e)
{
	int r = order_inventory(s, ear, e);

	return r == SERVER_REFUSED ? -EPROTO : r;
}

static void reboot_end(void)
{
	machine_end(VM_AFTER_REBOOT);
}

static void poweroff_end(void)
{
	machine_end(VM_AFTER_POWEROFF);
}

static const struct order order_row_inventory = {.name = "inventory", .run = inventory_run};
static const struct order order_row_reboot = {.name = "reboot", .end = reboot_end};
static const struct order order_row_poweroff = {.name = "poweroff", .end = poweroff_end};
/* The server has the disk follow at the next network boot. */
static const struct order order_row_local = {.name = "local", .end = reboot_end};

static const struct order *const orders[] = {
    &order_row_inventory,
    &order_row_reboot,
    &order_row_poweroff,
    &order_row_local,
};

static const char *order_name(size_t i)
{
	return i < sizeof(orders) / sizeof(*orders) ? orders[i]->name : NULL;
}

const struct order *order_find(const char *name, struct err *e)
{
	int i = word_index(order_name, name);
	char known[200];

	if (i >= 0)
		return orders[i];
	err_set(e, ENOTSUP, "this agent has no order \"%s\"; it knows %s", name,
	    word_list(order_name, "", known, sizeof(known)));
	return NULL;
}
