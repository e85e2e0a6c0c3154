/* relay.h - a port of this machine's loopback address from which connections are handed on to a
 * socket in the lab's own folder, byte by byte, for as long as this program runs. Who may do what
 * there is the socket's to judge: whoever has an account here may connect to the port. */
#ifndef VMLAB_LAB_RELAY_H
#define VMLAB_LAB_RELAY_H

#include <stdbool.h>

#include "lib/base/err.h"

#define RELAY_CONNECTIONS_MAX 256 /* at once; more wait */

/* Listens on 127.0.0.1. 0 with *fd, or -EADDRINUSE with a sentence. */
must_check int relay_listen(int port, int *fd, struct err *e);

/* Hands on until ended() says so, asked after each signal and at least once a second. */
must_check int relay_run(
    int fd, const char *folder, const char *socket, bool (*ended)(void), struct err *e);

#endif
