#include "os_installer/agent/order.h"

#include <errno.h>

#include "lib/machine/order.h"
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

static const struct order order_inventory_row = {.run = inventory_run};
static const struct order order_reboot = {.end = reboot_end};
static const struct order order_poweroff = {.end = poweroff_end};
/* The server has the disk follow at the next network boot. */
static const struct order order_local = {.end = reboot_end};

static const struct order *const orders[ORDER_ACTION_COUNT] = {
    [ORDER_INVENTORY] = &order_inventory_row,
    [ORDER_REBOOT] = &order_reboot,
    [ORDER_POWEROFF] = &order_poweroff,
    [ORDER_LOCAL] = &order_local,
};

const struct order *order_find(const char *name, struct err *e)
{
	enum order_action action;
	char known[ORDER_WORDS_SIZE];

	if (order_action_parse(name, &action) == 0 && orders[action])
		return orders[action];
	err_set(e, ENOTSUP, "this agent has no order \"%s\"; it knows %s", name,
	    order_actions_words(known));
	return NULL;
}
