#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/agent/order.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/bootloader/raspberry.h"

#define TOLD_MAX 24 /* within what figures may hold */

static void tell(struct order_run *o, const struct nvram_order *order)
{
	json_t *list = json_array();
	char text[NVRAM_TITLE_SIZE + 16];

	for (size_t i = 0; i < order->count && i < TOLD_MAX; i++) {
		snprintf(
		    text, sizeof(text), "Boot%04X %s", order->entry[i].id, order->entry[i].title);
		json_array_append_new(list, json_string(text));
	}
	order_figure(o, "boot_order", list);
}

static int without_variables(struct order_run *o, const char *where, bool first, struct err *e)
{
	int r = raspberry_order_judge("", first, e);

	if (r == RASPBERRY_ORDERED)
		order_text(o, "the network is %s in this Raspberry Pi's EEPROM already", where);
	if (r != 0)
		return r < 0 ? r : 0;
	return err_set(e, ENOTSUP,
	    "this machine has no EFI variables (it was not started by UEFI firmware): its boot order is changed in the firmware's setup");
}

static int run(struct order_run *o, struct err *e)
{
	const char *where = json_string_value(json_object_get(o->args, "network"));
	_cleanup_free_ struct nvram_order *order = calloc(1, sizeof(*order));

	if (!order)
		return err_set(e, ENOMEM, "out of memory");
	if (!where || (strcmp(where, "first") != 0 && strcmp(where, "last") != 0))
		return err_set(
		    e, EINVAL, "the order does not say whether the network is first or last");
	bool first = strcmp(where, "first") == 0;
	int r = nvram_network_move(first, order, e);
	if (r == NVRAM_ABSENT)
		return without_variables(o, where, first, e);
	if (r < 0)
		return r;
	tell(o, order);
	if (order->networks == 0)
		return err_set(e, ENOENT,
		    "the firmware's boot order has no entry for the network: switch network boot on in the firmware's setup");
	return 0;
}

extern const struct order order_boot_order;
const struct order order_boot_order = {.run = run};
