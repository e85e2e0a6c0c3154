/* listen.h - listening sockets from text. */
#ifndef BOOT_HANDLER_SOURCES_LISTEN_H
#define BOOT_HANDLER_SOURCES_LISTEN_H

#include <sys/types.h>

#include "lib/base/err.h"

/* "unix:/path" (with `mode`; a socket nobody answers on any more is replaced), "fd:3" (a socket
 * that is bound already and was inherited), "1.2.3.4:80", "[::1]:80" or ":80". Returns the
 * descriptor (non-blocking, close-on-exec) or -errno. */
must_check int listen_open(const char *text, mode_t mode, struct err *e);
/* Removes the socket file of "unix:/path". */
void listen_remove(const char *text);

/* The path of "unix:/path"; NULL for others. */
const char *listen_unix_path(const char *text);

/* A datagram socket at `path`, mode 0666, replacing what was there, or one that was inherited,
 * "fd:6". Blocking. */
must_check int listen_datagram(const char *path, struct err *e);
/* Removes its file; that of one that was inherited stays. */
void listen_datagram_remove(const char *path);
/* The same of UDP at "1.2.3.4:514" or "[::1]:514", or one that was inherited, "fd:4". */
must_check int listen_udp(const char *text, struct err *e);

#endif
