/* access.h - who may use the operator's API over TCP: those with the token, under a name of ours.
 *
 * A bearer token keeps out everyone on the network and every local user who cannot read the file
 * it is in. The lists of names keep out web pages: after DNS rebinding a browser sends the page's
 * own name as Host, and with every order its origin. The unix socket needs none of this: there the
 * kernel checks who connects. Pure but for access_new(), which reads the token's file.
 */
#ifndef BOOT_HANDLER_HTTP_ACCESS_H
#define BOOT_HANDLER_HTTP_ACCESS_H

#include "lib/base/err.h"

struct access;

/* `listen` is the listener's "address:port"; its address, when it names one, is a name of ours, as
 * are localhost and all loopback addresses. `hosts`, NULL or a comma-separated list, adds more.
 * The token is the file's only line: 16 to 256 printable characters without blanks. */
must_check int access_new(const char *token_file, const char *listen, const char *hosts,
    struct access **out, struct err *e);
void access_free(struct access *access);

/* Judges a request by its headers, each NULL when it has none. 0, -EACCES for a wrong or missing
 * token (HTTP 401), or -EPERM for a foreign Host or Origin (403); the message is for the client. */
must_check int access_check(const struct access *access, const char *host, const char *origin,
    const char *authorization, struct err *e);

#endif
