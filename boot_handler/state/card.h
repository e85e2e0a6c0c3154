/* card.h - whether a machine's own card is there, so that no other becomes it by telling its UUID
 * or serial number, which are no secrets. Pure. */
#ifndef BOOT_HANDLER_STATE_CARD_H
#define BOOT_HANDLER_STATE_CARD_H

#include <stdbool.h>

#include "lib/machine/machine.h"

/* A machine that is off has given up its lease, or has it for no longer than this. */
#define CARD_SILENT_S 3600

/* True for a machine that is ready (what runs need not tell anything), has a lease, or was heard of
 * within CARD_SILENT_S. `now_ms` as wall_ms() tells it. */
bool card_is_there(enum machine_state state, int64_t last_seen_ms,
    const struct machine_addresses *known, int64_t now_ms);

#endif
