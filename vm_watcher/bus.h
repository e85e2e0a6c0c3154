/* bus.h - dnsmasq's own control interface, by which one lease can be dropped while it runs.
 *
 * dnsmasq offers it on D-Bus ("enable-dbus", DBus-interface in its documentation). The bus has
 * dnsmasq as its only member, so no bus daemon is run for it: this is the other end of dnsmasq's
 * connection, a unix socket that DBUS_SYSTEM_BUS_ADDRESS tells dnsmasq, and speaks as much of the
 * protocol (D-Bus specification 0.43) as that takes. dnsmasq connects when it starts and never
 * again: after a restart of this program there is no connection until dnsmasq has been restarted,
 * too.
 */
#ifndef VM_WATCHER_BUS_H
#define VM_WATCHER_BUS_H

#include <stdint.h>

#include "lib/base/err.h"

struct bus;

/* Listens at `path`, which is replaced. `news` is called in another thread whenever dnsmasq has
 * given or taken a lease. */
must_check int bus_open(
    const char *path, void (*news)(void *ctx), void *ctx, struct bus **out, struct err *e);
void bus_close(struct bus *b); /* NULL is allowed */

#define BUS_NO_LEASE 1
#define BUS_NOT_CONNECTED 2

/* Drops the lease of an address, given as text. 0, BUS_NO_LEASE, BUS_NOT_CONNECTED or -errno. */
must_check int bus_drop_lease(struct bus *b, const char *address, struct err *e);

/* Has dnsmasq read its files again, by which it forgets what was declined, without telling each of
 * its leases again as at SIGHUP. 0, BUS_NOT_CONNECTED or -errno. */
must_check int bus_reload(struct bus *b, struct err *e);

/* How many DHCPDECLINE dnsmasq has been sent since it started. 0, BUS_NOT_CONNECTED or -errno. */
must_check int bus_declines(struct bus *b, uint32_t *count, struct err *e);

#endif
