/* session.h - who looks at the pages: links that let one browser in once, and the cookie that it
 * has from then on.
 *
 * A link is good for SESSION_LINK_MS and once; it is in memory only. A cookie says its role and its
 * end, by the wall clock and by one that nobody sets (which counts until the machine is booted
 * anew), under an HMAC-SHA256 (RFC 2104) whose key is a file beside the state, so that sessions
 * outlive this program: nothing is kept of them, and they end with their time, or all at once with
 * the key. The cookie's name goes by the key, as a browser has the cookies of all labs of a machine
 * in one place. All functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_HTTP_SESSION_H
#define BOOT_HANDLER_HTTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* What someone may do, and all that those before may. */
enum role {
	ROLE_NOBODY, /* not known */
	ROLE_READ,   /* look */
	ROLE_ADMIN,  /* order */
	ROLE_OWNER,  /* let others in: by the unix socket or the API's token, never by a session */
};

#define SESSION_LINK_MS 60000
#define SESSION_LINKS_MAX 32 /* open at once; a newer one ends the oldest */
#define SESSION_MS ((int64_t)12 * 3600 * 1000)

struct sessions;

/* A moment, by both clocks. */
struct session_time {
	int64_t wall_ms; /* since 1970 */
	int64_t up_ms;   /* since the machine was booted; goes on while it sleeps */
	uint32_t boot;   /* of that boot's id */
};
struct session_time session_now(void);

/* `key_file` is made, mode 0600, where it is missing. */
must_check int sessions_new(const char *key_file, struct sessions **out, struct err *e);
void sessions_free(struct sessions *s); /* NULL is allowed */

/* A new link's secret. `role` is ROLE_READ or ROLE_ADMIN; now_ms is of a clock that is not set. */
#define SESSION_SECRET_SIZE 65
must_check int sessions_invite(struct sessions *s, enum role role, int64_t now_ms,
    char secret[SESSION_SECRET_SIZE], struct err *e);
/* Whom that link lets in, and nobody after it; ROLE_NOBODY: there is no such link any more. */
enum role sessions_admit(struct sessions *s, const char *secret, int64_t now_ms);

/* The value of a Set-Cookie header (RFC 6265) that begins a session, or, with ROLE_NOBODY, ends it:
 * the caller frees it. NULL: no memory, or no random numbers. One that is given by TLS is never
 * sent but by TLS. */
char *sessions_cookie(struct sessions *s, enum role role, bool tls, const struct session_time *now);
/* Whose session a Cookie header tells of. NULL is allowed. */
enum role sessions_role(struct sessions *s, const char *cookies, const struct session_time *now);

/* Ends all links and sessions, by a new key. */
must_check int sessions_end(struct sessions *s, struct err *e);

/* By name, "read" or "admin"; ROLE_NOBODY: another. */
enum role role_parse(const char *name);

#endif
