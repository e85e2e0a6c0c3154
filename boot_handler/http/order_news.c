#include "boot_handler/http/order_news.h"

#include <limits.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

static void tell(struct services *services, const struct order *order)
{
	struct mac mac = order->mac;
	char text[MACHINE_STAGE_SIZE], name[MAC_TEXT_SIZE];

	if (services->backups && order->action == ORDER_BACKUP)
		backups_drop(services->backups, order->id);
	if (order->vm[0])
		(void)state_by_nic(services->state, &order->mac, &mac);
	snprintf(text, sizeof(text), "%s %s", order_action_name(order->action),
	    order_state_name(order->state));
	state_tell(services->state, &mac, order->vm[0] ? order->vm : mac_format(&mac, name),
	    EVENT_ORDER, text, (const int64_t[]){order->id});
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

int order_news_round(struct services *services)
{
	struct err e = ERR_INIT;

	int64_t next = orders_expire(state_orders(services->state), wall_ms());
	state_source("deadline");
	if (order_news_tell(services) > 0 && state_save(services->state, &e) < 0)
		log_warn("that an order's time is over is not on disk yet: %s", e.msg);
	return next > INT_MAX ? INT_MAX : (int)next;
}

void order_news_begun(struct services *services)
{
	vm_store_wake(services->store);
}
