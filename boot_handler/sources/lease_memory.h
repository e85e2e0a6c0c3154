/* lease_memory.h - the newest leases of machines that nobody has declared: one that waits at PXE
 * has its lease when its definition appears. Bounded: of more than it holds, the oldest are
 * forgotten. */
#ifndef BOOT_HANDLER_SOURCES_LEASE_MEMORY_H
#define BOOT_HANDLER_SOURCES_LEASE_MEMORY_H

#include <pthread.h>

#include "boot_handler/sources/lease.h"

#define LEASE_MEMORY_SIZE 1024

/* Safe in every thread. */
struct lease_memory {
	pthread_mutex_t lock;
	struct lease items[LEASE_MEMORY_SIZE];
	size_t next; /* where the next one goes when all are taken */
};

void lease_memory_init(struct lease_memory *m);

/* Remembers the lease, or forgets the one that has ended. Nothing without a MAC address. True when
 * that was news: false for a lease that is told again. */
bool lease_memory_take(struct lease_memory *m, const struct lease *lease);

/* Whether the machine itself has asked, to be called before lease_memory_take(): the lease is new,
 * or ends at another time than when it was told last. dnsmasq tells all again when definitions
 * change. */
bool lease_memory_asked(struct lease_memory *m, const struct lease *lease);

/* Whose lease has the address of this one; false: nobody's that is remembered. */
bool lease_memory_holder(struct lease_memory *m, const struct lease *lease, struct mac *out);

/* Calls `take` for each, and forgets those for which it returns true. */
void lease_memory_replay(
    struct lease_memory *m, bool (*take)(void *ctx, const struct lease *lease), void *ctx);

#endif
