#include "boot_handler/http/order_news.h"

#include <limits.h>
#include <stdio.h>

#include "boot_handler/sources/backup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define SWEEP_EVERY_MS 600000

static void tell(struct services *services, const struct order *order)
{
	struct mac mac = order->mac;
	char text[MACHINE_STAGE_SIZE], name[MAC_TEXT_SIZE];

	if (services->backups && order->action == ORDER_BACKUP)
		backups_ended(services->backups, order->id, order->state == ORDER_DONE);
	if (services->addresses && order->action == ORDER_BOOT_ORDER)
		address_file_changed(services->addresses); /* no update is served any more */
	if (order->vm[0])
		(void)state_by_nic(services->state, &order->mac, &mac);
	snprintf(text, sizeof(text), "%s %s", order_action_name(order->action),
	    order_state_name(order->state));
	state_tell(services->state, &mac, order->vm[0] ? order->vm : mac_format(&mac, name),
	    EVENT_ORDER, text, &(struct event_value){.number = order->id});
}

unsigned order_news_tell(struct services *services)
{
	struct order order;
	unsigned n = 0;

	for (; orders_news(state_orders(services->state), &order); n++) {
		tell(services, &order);
		order_clear(&order);
	}
	return n;
}

/* What ended backups have sent is not kept for ever. In ms to come again. */
static int64_t sweep_backups(struct services *services)
{
	static int64_t swept_ms; /* of the one thread that makes the round */
	int64_t now = monotonic_ms();

	if (!services->backups)
		return -1;
	if (swept_ms == 0 || now - swept_ms >= SWEEP_EVERY_MS) {
		backups_sweep(services->backups, 0, wall_ms());
		swept_ms = now;
	}
	return swept_ms + SWEEP_EVERY_MS - now;
}

int order_news_round(struct services *services)
{
	struct err e = ERR_INIT;

	int64_t sweep = sweep_backups(services);
	int64_t next = orders_expire(state_orders(services->state), wall_ms());
	state_source("deadline", "");
	if (order_news_tell(services) > 0 && state_save(services->state, &e) < 0)
		log_warn("that an order's time is over is not on disk yet: %s", e.msg);
	next = next < 0 || (sweep >= 0 && sweep < next) ? sweep : next;
	return next > INT_MAX ? INT_MAX : (int)next;
}

void order_news_begun(struct services *services)
{
	vm_store_wake(services->store);
}
