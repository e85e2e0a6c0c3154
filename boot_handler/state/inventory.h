/* inventory.h - what machines said they are made of: the last INVENTORIES_OF_ONE that differ of
 * each, by the card that it was told with.
 *
 * The texts are in the state file alone, in memory are the rows without them. All texts together
 * take INVENTORIES_BYTES_MAX at most: then those go first that a newer one has followed, then the
 * last ones of machines that no definition has, then the oldest. All functions are safe in every
 * thread.
 */
#ifndef BOOT_HANDLER_STATE_INVENTORY_H
#define BOOT_HANDLER_STATE_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

#define INVENTORY_BYTES_MAX ((size_t)1024 * 1024)
#define INVENTORIES_OF_ONE 8
#define INVENTORIES_BYTES_MAX ((int64_t)64 * 1024 * 1024)
/* Not yet written: more than this are refused. */
#define INVENTORIES_QUEUE_BYTES ((size_t)16 * 1024 * 1024)

struct inventory_row {
	int64_t id;
	struct mac mac;
	int64_t at_ms, seen_ms; /* when it was told first, and last */
	int64_t bytes;          /* of its text */
	int64_t hash;
};

struct inventories;

must_check int inventories_new(int64_t bytes_max, struct inventories **out, struct err *e);
void inventories_free(struct inventories *t); /* NULL is allowed */

/* Whether a machine with this card has a definition; must not block. */
typedef bool inventory_declared(void *ctx, const struct mac *mac);

#define INVENTORY_SAME 1
/* Takes over `text` in any case. 0, INVENTORY_SAME: it is what was told last, -EBUSY: too often, or
 * -ENOSPC: the state file cannot be written. */
must_check int inventories_take(struct inventories *t, const struct mac *mac, char *text,
    int64_t now_ms, inventory_declared *declared, void *ctx, struct err *e);

/* Of that card, the newest first; how many. */
unsigned inventories_of(
    struct inventories *t, const struct mac *mac, struct inventory_row out[INVENTORIES_OF_ONE]);

#endif
