/* port.h - which MAC addresses the bridge is told to find at a port of it: a VM's, as long as its
 * container runs (docker/vm/port.sh). What a bridge learns by itself does not count. Heard from the
 * kernel as it changes (rtnetlink(7)); what was before is not told.
 */
#ifndef BOOT_HANDLER_SOURCES_PORT_H
#define BOOT_HANDLER_SOURCES_PORT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

/* Calls moved() for each such message in bytes[0..len). Pure. */
void port_parse(const char *bytes, size_t len,
    void (*moved)(void *ctx, const struct mac *mac, bool there), void *ctx);

struct port_receiver;

/* `moved` is called in its own thread. */
must_check int port_receiver_start(void (*moved)(void *ctx, const struct mac *mac, bool there),
    void *ctx, struct port_receiver **out, struct err *e);
void port_receiver_stop(struct port_receiver *r); /* NULL is allowed */

#endif
