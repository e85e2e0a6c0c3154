#include "boot_handler/http/order_eeprom.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "boot_handler/http/machine.h"
#include "boot_handler/http/order_news.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/boot/raspberry.h"

static void model_of(
    struct services *services, const struct order_cards *cards, char *out, size_t size)
{
	json_t *told = machine_told(services, cards);
	const char *model =
	    json_string_value(json_object_get(json_object_get(told, "system"), "product"));

	snprintf(out, size, "%s", model ? model : "");
	json_decref(told);
}

static struct eeprom_wish wish_of(
    struct services *services, const struct order_cards *cards, const struct order *order)
{
	const char *where = json_string_value(json_object_get(order->args, "network"));
	char model[64];

	model_of(services, cards, model, sizeof(model));
	return (struct eeprom_wish){.kind = eeprom_kind_of_model(model),
	    .first = where && strcmp(where, "first") == 0,
	    .timestamp = order->begun_ms / 1000};
}

static bool is_running(const struct order *order)
{
	return order->action == ORDER_BOOT_ORDER && order->state == ORDER_RUNNING;
}

void order_eeprom_wish(void *arg, const struct vm *vm, struct eeprom_wish *out)
{
	_cleanup_order_ struct order order = {0};
	struct services *services = arg;
	struct order_cards cards;

	*out = (struct eeprom_wish){.kind = NULL};
	if (!raspberry_served(vm))
		return;
	machine_cards(services, vm, &cards);
	if (orders_current(state_orders(services->state), &cards, &order) && is_running(&order))
		*out = wish_of(services, &cards, &order);
}

/* ---- told to its agent --------------------------------------------------------------------- */

static int check_image(
    const struct services *services, const struct eeprom_wish *wish, struct err *e)
{
	_cleanup_free_ uint8_t *image = NULL;
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/" EEPROM_FOLDER, services->images_dir);
	return eeprom_read(folder, wish->kind, wish->first, &image, e);
}

static json_t *offer_json(
    struct services *services, const struct order_cards *cards, const struct order *order)
{
	struct eeprom_wish wish = wish_of(services, cards, order);
	struct err e = ERR_INIT;

	if (!wish.kind)
		return json_pack("{s:s}", "why",
		    "its inventory names no model of Raspberry Pi whose EEPROM is known here");
	if (check_image(services, &wish, &e) < 0)
		return json_pack("{s:s}", "why", e.msg);
	return json_pack("{s:s, s:I, s:I}", "soc", wish.kind->soc, "timestamp",
	    (json_int_t)wish.timestamp, "since_s",
	    (json_int_t)((wall_ms() - order->begun_ms) / 1000));
}

void order_eeprom_put(
    struct services *services, const struct vm *vm, const struct order *order, json_t *given)
{
	struct order_cards cards;

	if (order->action != ORDER_BOOT_ORDER || !vm || !raspberry_served(vm))
		return;
	machine_cards(services, vm, &cards);
	json_object_set_new(given, "eeprom", offer_json(services, &cards, order));
	if (services->addresses)
		address_file_changed(services->addresses);
}

/* ---- fetched ------------------------------------------------------------------------------- */

static bool is_its_update(const struct vm *vm, const char *file)
{
	char folder[RASPBERRY_FOLDER_SIZE], wanted[RASPBERRY_FOLDER_SIZE + 16];

	if (!raspberry_folder(vm, folder))
		return false;
	snprintf(wanted, sizeof(wanted), "%s/" EEPROM_UPDATE_FILE, folder);
	return strcmp(file, wanted) == 0;
}

void order_eeprom_fetched(struct services *services, const struct vm *vm, const char *file)
{
	static const struct order_end end = {.ok = true,
	    .text =
		"its bootloader has fetched the update of its EEPROM, and boots its disk from then on",
	    .phase = "eeprom"};
	struct orders *orders = state_orders(services->state);
	_cleanup_order_ struct order order = {0}, ended = {0};
	struct order_cards cards;
	struct err e = ERR_INIT;

	if (!is_its_update(vm, file))
		return;
	machine_cards(services, vm, &cards);
	if (!orders_current(orders, &cards, &order) || !is_running(&order) ||
	    wish_of(services, &cards, &order).first)
		return;
	int r = orders_end(orders, &cards, order.id, &end, wall_ms(), &ended, &e);
	order_news_tell(services);
	if (r == 0)
		r = state_save(services->state, &e);
	if (r < 0)
		log_warn("that order %lld is done is not kept: %s", (long long)order.id, e.msg);
}
