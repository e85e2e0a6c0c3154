#include "boot_handler/http/guest_stranger.h"

#include <stdatomic.h>

#include "boot_handler/documents/owner.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* A flood of them must not become a flood of lines. */
static void log_stranger(const struct shown *shown, const struct mac *known)
{
	static _Atomic int64_t last_ms;
	int64_t now = wall_ms();
	int64_t last = atomic_load_explicit(&last_ms, memory_order_relaxed);
	char mac[MAC_TEXT_SIZE] = "-";

	if (now - last < 1000 || !atomic_compare_exchange_strong(&last_ms, &last, now))
		return;
	if (known)
		mac_format(known, mac);
	log_info("a machine without a definition asks mac=%s uuid=%s serial=%s", mac, shown->uuid,
	    shown->serial);
}

void guest_note_stranger(const struct call *c, const char *loader, const char *chose)
{
	const struct route *route = c->request->route;
	struct source source = {0};
	struct shown shown;
	struct stranger_sight sight = {.mac = route->has_mac ? &route->mac : NULL,
	    .shown = &shown,
	    .loader = loader,
	    .chose = chose,
	    .now_ms = wall_ms()};

	if (c->request->head)
		return;
	route_shown(route, &shown);
	if (!call_is_proxied(c) && source_parse(c->request->source, &source)) {
		sight.ip = source.ip;
		sight.ip6 = source.ip6;
	}
	if (services_stranger_seen(c->services, &sight))
		log_stranger(&shown, sight.mac);
}
