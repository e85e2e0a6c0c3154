/* access.h - who may use the operator's API and pages over TCP, and by the relay of `vmlab
 * dashboard`: those with the token or a session, under a name of ours.
 *
 * A bearer token or a session's cookie keeps out everyone on the network and every local user who
 * cannot read the lab's own folder. The lists of names keep out web pages: after DNS rebinding a
 * browser sends the page's own name as Host, and with every order its origin. A browser sends the
 * cookie by itself, so what a session orders has to come from a page of this very listener, and
 * says so. The unix socket needs none of this: there the kernel checks who connects. Pure but for
 * access_new(), which reads the token's file.
 */
#ifndef BOOT_HANDLER_HTTP_ACCESS_H
#define BOOT_HANDLER_HTTP_ACCESS_H

#include <stdbool.h>

#include "boot_handler/http/session.h"
#include "lib/base/err.h"

struct access;

/* `listen` is the listener's "address:port"; its address, when it names one, is a name of ours, as
 * are localhost and all loopback addresses. `hosts`, NULL or a comma-separated list, adds more.
 * The token is the file's only line: 16 to 256 printable characters without blanks; NULL: there is
 * none. `sessions`, borrowed till the end, is NULL where there are none. */
must_check int access_new(const char *token_file, const char *listen, const char *hosts,
    struct sessions *sessions, struct access **out, struct err *e);
void access_free(struct access *access);

/* Whether only this machine itself can connect to "address:port". */
bool access_is_loopback(const char *listen);

/* A request, by its headers, each NULL when it has none. */
struct access_asked {
	const char *host, *origin, *authorization, *cookie;
	bool changes; /* it is to change something: neither GET nor HEAD */
};

/* 0 with who asks; ROLE_NOBODY has shown neither token nor session. -EACCES for a wrong token (HTTP
 * 401), or -EPERM for a foreign Host or Origin (403); the message is for the client. */
must_check int access_check(
    const struct access *access, const struct access_asked *asked, enum role *role, struct err *e);

/* What a request without either is told. */
extern const char access_needs_token[];

#endif
