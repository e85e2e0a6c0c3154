/* live.h - the current snapshot of vms/ for the hot path: entering and leaving cost one store each
 * to memory of the calling thread, no shared counter and no lock. Publishing waits until no thread
 * is inside with the old snapshot, then drops it.
 *
 * Between enter and leave a thread must not block; who may block takes vm_store_snapshot().
 */
#ifndef BOOT_HANDLER_SOURCES_LIVE_H
#define BOOT_HANDLER_SOURCES_LIVE_H

#include "lib/base/err.h"
#include "lib/store/store.h"

struct live;

/* Starts with the store's current snapshot. The store must outlive it. */
must_check int live_new(struct vm_store *store, struct live **out, struct err *e);
/* No thread may be inside. NULL is allowed. */
void live_free(struct live *l);

struct live_pin {
	const struct vm_snapshot *snapshot; /* valid until live_leave() */
	void *slot;
};

void live_enter(struct live *l, struct live_pin *pin);
void live_leave(struct live *l, struct live_pin *pin);

/* Makes the store's current snapshot the one threads enter with. One thread at a time. */
void live_publish(struct live *l);

#endif
