/* datagram.h - a thread that takes datagrams from a socket, one after another. */
#ifndef BOOT_HANDLER_SOURCES_DATAGRAM_H
#define BOOT_HANDLER_SOURCES_DATAGRAM_H

#include <netinet/in.h>
#include <stddef.h>

#include "lib/base/err.h"

/* Of a longer one the rest is lost. supervise.py joins lines up to it. */
#define DATAGRAM_MAX (32 * 1024)

struct datagram {
	const char *bytes;    /* aligned as a pointer is */
	size_t len;           /* not 0 */
	struct in6_addr from; /* IPv4 as ip4_mapped(); :: of a unix socket's */
};

/* Both are called in the receiver's thread. */
struct datagram_handler {
	const char *what; /* it receives, for the log */
	void (*take)(void *ctx, const struct datagram *d);
	void (*tick)(void *ctx); /* a few times a second, whatever comes; NULL: nobody is to know */
	void *ctx;
};

struct datagram_receiver;

/* Takes over the bound socket, also when it fails. */
must_check int datagram_receiver_start(
    int fd, const struct datagram_handler *handler, struct datagram_receiver **out, struct err *e);
/* Ends the thread, closes the socket. NULL is allowed. */
void datagram_receiver_stop(struct datagram_receiver *r);

#endif
