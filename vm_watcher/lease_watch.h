/* lease_watch.h - sees to it that machines get the addresses that are declared for them, whoever
 * has a lease of one or says that it is taken; dnsmasq by itself leaves an address to who has it.
 */
#ifndef VM_WATCHER_LEASE_WATCH_H
#define VM_WATCHER_LEASE_WATCH_H

#include <stdbool.h>

#include "vm_watcher/leases.h"

struct lease_watch_options {
	const char *leases;   /* dnsmasq's lease file */
	const char *journal;  /* what is to become part of it (lib/net/lease_file.h); NULL: none */
	const char *keep;     /* where a copy of it is kept; NULL: nowhere */
	const char *machines; /* boot_handler's file; NULL: none */
	const char *bus;      /* NULL: none, leases are only read */
	const char *pid_file; /* dnsmasq's */
	void (*news)(void *ctx); /* in another thread: there is something to read */
	void *ctx;
};

struct lease_watch;

must_check int lease_watch_open(
    const struct lease_watch_options *options, struct lease_watch **out, struct err *e);
void lease_watch_close(struct lease_watch *w); /* NULL is allowed */

/* Reads the files that have changed; true when any has, and then the addresses may be others. The
 * copy follows within half a second, and when the watch is closed. */
bool lease_watch_read(struct lease_watch *w);
/* What was read last; never NULL. */
const struct leases *lease_watch_leases(const struct lease_watch *w);

/* Drops leases that stand in the way of `snap`, of which dnsmasq must know already. To be called
 * again and again: cheap when nothing has changed. True when dnsmasq is to read its files again, by
 * which it forgets that an address was declined. */
bool lease_watch_enforce(struct lease_watch *w, const struct vm_snapshot *snap);
/* Has dnsmasq read its files again and tells no leases for it; false: SIGHUP has to do. */
bool lease_watch_reload(struct lease_watch *w);
/* dnsmasq has answered since this was asked last, or is not connected. */
bool lease_watch_answered(struct lease_watch *w);
/* Something is left to be enforced. */
bool lease_watch_is_due(const struct lease_watch *w);

#endif
