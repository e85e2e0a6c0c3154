/* wire.h - the one network card that all simulated machines share: frames of DHCP under each
 * machine's own MAC address, and the addresses that were leased.
 *
 * It is in a network namespace of its own, at the other end of a port of the lab's bridge. What is
 * not DHCP goes through the kernel, with the card's own MAC address. One thread.
 */
#ifndef VMLAB_SIMULATE_WIRE_H
#define VMLAB_SIMULATE_WIRE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"
#include "vmlab/simulate/dhcp_frame.h"
#include "vmlab/simulate/loop.h"

struct wire {
	struct loop_source source;
	struct loop *loop;
	int packets, netlink, card;
	uint32_t sequence;
	/* Who hears what a server answers; `m` is borrowed, `at_us` of stamp.h. */
	void (*heard)(void *ctx, const struct dhcp_message *m, int64_t at_us);
	void *ctx;
};

/* Waits for the card `name`, brings it up and opens it; `network` is where the server is. */
must_check int wire_open(
    struct wire *w, struct loop *l, const char *name, const struct cidr4 *network, struct err *e);
void wire_close(struct wire *w);

/* A full queue drops the frame, as networks do: 0 all the same. */
must_check int wire_send(struct wire *w, const uint8_t *frame, size_t len, struct err *e);

/* The address is ours from now on, or not any more. Having it already, or not, is no error. */
must_check int wire_address(struct wire *w, struct in_addr ip, bool ours, struct err *e);

/* Bytes that the card has received and sent. */
must_check int wire_bytes(const char *name, uint64_t *received, uint64_t *sent, struct err *e);

#endif
