#include "boot_handler/state/card.h"

bool card_is_there(enum machine_state state, int64_t last_seen_ms,
    const struct machine_addresses *known, int64_t now_ms)
{
	return state == MACHINE_READY || known->ends * 1000 > now_ms ||
	       known->ends6 * 1000 > now_ms ||
	       (last_seen_ms && now_ms - last_seen_ms < CARD_SILENT_S * 1000LL);
}
