/* lease_receiver.h - takes what the dhcp-script and supervise.py tell of dnsmasq: see lease.h. */
#ifndef BOOT_HANDLER_SOURCES_LEASE_RECEIVER_H
#define BOOT_HANDLER_SOURCES_LEASE_RECEIVER_H

#include "boot_handler/sources/dhcp_log.h"
#include "boot_handler/sources/lease.h"
#include "lib/base/err.h"

struct lease_receiver;

/* Both are called in the receiver's thread. */
struct lease_handler {
	void (*leased)(void *ctx, const struct lease *lease);
	void (*said)(void *ctx, const struct dhcp_said *said);
	void *ctx;
};

must_check int lease_receiver_start(const char *path, const struct lease_handler *handler,
    struct lease_receiver **out, struct err *e);
void lease_receiver_stop(struct lease_receiver *r); /* NULL is allowed */

#endif
