#include "boot_handler/sources/live.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS 64
#define RETRY_US 20

struct slot {
	alignas(64) atomic_bool inside;
};

struct live {
	struct slot slot[SLOTS];
	_Atomic(const struct vm_snapshot *) current;
	atomic_uint taken;
	struct vm_store *store;
};

/* A thread keeps its slot of the instance it used last. */
static _Thread_local struct live *slot_owner;
static _Thread_local struct slot *own_slot;

int live_new(struct vm_store *store, struct live **out, struct err *e)
{
	struct live *l = aligned_alloc(alignof(struct live), sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	for (int i = 0; i < SLOTS; i++)
		atomic_init(&l->slot[i].inside, false);
	atomic_init(&l->taken, 0);
	atomic_init(&l->current, vm_store_snapshot(store));
	l->store = store;
	*out = l;
	return 0;
}

void live_free(struct live *l)
{
	if (!l)
		return;
	vm_snapshot_unref(atomic_load(&l->current));
	if (slot_owner == l)
		slot_owner = NULL;
	free(l);
}

static struct slot *find_slot(struct live *l)
{
	if (slot_owner != l) {
		unsigned i = atomic_fetch_add(&l->taken, 1);
		slot_owner = l;
		own_slot = i < SLOTS ? &l->slot[i] : NULL;
	}
	return own_slot;
}

void live_enter(struct live *l, struct live_pin *pin)
{
	struct slot *slot = find_slot(l);

	pin->slot = slot;
	if (!slot) {
		pin->snapshot = vm_store_snapshot(l->store);
		return;
	}
	/* Both sequentially consistent: either the publisher sees us inside, or we see its
	 * snapshot. */
	atomic_store(&slot->inside, true);
	pin->snapshot = atomic_load(&l->current);
}

void live_leave(struct live *l, struct live_pin *pin)
{
	struct slot *slot = pin->slot;

	(void)l;
	if (slot)
		atomic_store_explicit(&slot->inside, false, memory_order_release);
	else
		vm_snapshot_unref(pin->snapshot);
	pin->snapshot = NULL;
}

void live_publish(struct live *l)
{
	const struct vm_snapshot *old = atomic_exchange(&l->current, vm_store_snapshot(l->store));

	for (int i = 0; i < SLOTS; i++)
		while (atomic_load(&l->slot[i].inside))
			usleep(RETRY_US);
	vm_snapshot_unref(old);
}
