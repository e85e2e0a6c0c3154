#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/boot/boot_order.h"
#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/bootloader/raspberry.h"

#define TOLD_MAX 24  /* within what figures may hold */
#define TOLD_MS 1500 /* progress is told once a second */

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

/* ---- a Raspberry Pi -------------------------------------------------------------------------- */

static void tell_eeprom(struct order_run *o, const struct raspberry_order *board)
{
	char words[BOOT_ORDER_WORDS_SIZE];

	if (board->order)
		order_figure(o, "boot_order",
		    json_sprintf("0x%x: %s", board->order, boot_order_words(board->order, words)));
	if (board->hint)
		order_hint(o, board->hint);
}

static bool offer_take(const struct order_run *o, struct raspberry_offer *out)
{
	const json_t *told = json_object_get(o->args, "eeprom");

	*out = (struct raspberry_offer){
	    .why = json_string_value(json_object_get(told, "why")),
	    .soc = json_string_value(json_object_get(told, "soc")),
	    .timestamp = json_integer_value(json_object_get(told, "timestamp")),
	    .since_s = json_integer_value(json_object_get(told, "since_s")),
	};
	return out->why || out->soc;
}

static int64_t uptime_s(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

/* The server gives the order again when the machine is back. */
static int restart(struct order_run *o, struct err *e)
{
	order_progress(o, "eeprom", 0, 0);
	order_text(o, "it starts anew, and its bootloader writes its EEPROM");
	sleep_ms(TOLD_MS);
	machine_end(VM_AFTER_REBOOT);
	return err_set(e, EIO, "this machine does not start anew");
}

static int without_variables(struct order_run *o, const char *where, bool first, struct err *e)
{
	struct raspberry_offer offer;
	struct raspberry_order board;

	int r = raspberry_order_judge(
	    "", first, offer_take(o, &offer) ? &offer : NULL, uptime_s(), &board, e);
	tell_eeprom(o, &board);
	if (r == RASPBERRY_RESTART)
		return restart(o, e);
	if (r == RASPBERRY_ORDERED)
		order_text(o, "the network is %s in this Raspberry Pi's EEPROM", where);
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
