/* power_state.h - what a machine is now, which is not what it last said of itself: the container
 * knows whether it has power, and the times tell whether it has spoken since it got it. Pure.
 */
#ifndef VMLAB_FOLLOW_POWER_STATE_H
#define VMLAB_FOLLOW_POWER_STATE_H

#include <jansson.h>
#include <stdbool.h>

#include "vmlab/engine/engine.h"

enum power_state {
	POWER_UNKNOWN, /* no container of ours: a machine of someone else's */
	POWER_STOPPED,
	POWER_STARTING, /* has power, and has not been heard of since: its firmware runs */
	POWER_ON,
};

/* `c` may be NULL, and so may `vm`, the API's object; then what runs is taken for POWER_ON. */
enum power_state power_state_of(const struct container *c, const json_t *vm);

/* "stopped", "starting", "on"; NULL for POWER_UNKNOWN. */
const char *power_state_name(enum power_state p);

/* True when it called itself ready before it was started this time. */
bool power_state_was_ready(const struct container *c, const json_t *vm);

#endif
