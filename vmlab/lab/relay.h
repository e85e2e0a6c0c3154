/* relay.h - a port of this machine's loopback address from which connections are handed on to a
 * socket in the lab's own folder, byte by byte, for as long as this program runs. Who may do what
 * there is the socket's to judge: whoever has an account here may connect to the port. */
#ifndef VMLAB_LAB_RELAY_H
#define VMLAB_LAB_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* At once. For one more the one that has been quiet the longest makes place, so that nobody with an
 * account here keeps others out by holding all of them. */
#define RELAY_CONNECTIONS_MAX 256
/* Without a byte for so long, in any direction, a connection is over: a lab's are never so quiet
 * (STREAM_KEEPALIVE_MS of boot_handler), and whoever holds one and says nothing keeps a place. */
#define RELAY_QUIET_MS 60000

/* Listens on 127.0.0.1. 0 with *fd, or -EADDRINUSE with a sentence. */
must_check int relay_listen(int port, int *fd, struct err *e);

/* Hands on until ended() says so, asked after each signal and at least once a second. `quiet_ms` is
 * RELAY_QUIET_MS. */
must_check int relay_run(int fd, const char *folder, const char *socket, int64_t quiet_ms,
    bool (*ended)(void), struct err *e);

#endif
