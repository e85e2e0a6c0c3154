/* machine_now.h - what a machine that a definition has does now, for the operator's API: what is
 * recorded, what that means, its agent and its orders.
 */
#ifndef BOOT_HANDLER_HTTP_MACHINE_NOW_H
#define BOOT_HANDLER_HTTP_MACHINE_NOW_H

#include <jansson.h>

#include "boot_handler/http/services.h"
#include "boot_handler/state/outlook.h"
#include "boot_handler/state/order.h"

struct machine_now {
	struct machine_row row;
	struct outlook look;
	int64_t agent_since_ms; /* its agent is there, since then; 0: it is not */
	struct order order;     /* what the agent does, or else will do next */
	bool has_order;
};

/* `out` is to be cleared. Any thread. */
void machine_now_find(struct services *services, const struct vm_snapshot *snapshot,
    const struct vm *vm, struct machine_now *out);
static inline void cleanup_machine_now(struct machine_now *now)
{
	order_clear(&now->order);
}
#define _cleanup_machine_now_ __attribute__((cleanup(cleanup_machine_now)))

/* "state", "recorded", "changed_at", "agent" and "order" of `json`. */
void machine_now_put(const struct machine_now *now, json_t *json);
/* "agent" and "order" of one without a definition. */
void machine_now_put_stranger(
    struct services *services, const struct order_cards *cards, json_t *json);

#endif
