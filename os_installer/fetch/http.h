/* http.h - small HTTP requests, and the settings all our transfers share: no proxy, no redirects to
 * elsewhere unless asked for, https by the authorities told to http_trust() alone. Safe in every
 * thread.
 */
#ifndef OS_INSTALLER_FETCH_HTTP_H
#define OS_INSTALLER_FETCH_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* The authorities that may vouch for an https server: certificates as PEM (RFC 7468), borrowed for
 * as long as transfers are made. Before, and with `len` 0, none does. Before there are threads. */
void http_trust(const char *pem, size_t len);
bool http_is_tls(const char *url);

/* A handle with the shared settings, freed by curl_easy_cleanup(); NULL: out of memory. */
CURL *http_handle_new(const char *url);

/* Has it go where the server leads it: five times at most, and from https to nothing else. */
void http_follow(CURL *c);

/* What a failed transfer means, e.g. "the server refused the connection". */
const char *http_problem(CURLcode code);
/* Whether it may go better another time: the server or what leads to it is away. */
bool http_problem_passes(CURLcode code);

struct http_response {
	long status; /* 200, 404... */
	char *body;  /* NUL-terminated; freed by http_response_clear() */
	size_t len;
};

/* One GET of a body of at most max_bytes. Any status is a success of this function. `out` is always
 * set and must be cleared. Returns 0, -EFBIG, or another -errno when there was no whole answer. */
must_check int http_get(const char *url, size_t max_bytes, unsigned timeout_s,
    struct http_response *out, struct err *e);

/* The same until the server answers, for as long as patience.h has it; a status that does not pass,
 * as 404, is an answer when it comes for the `believed`th time: what serves it may be starting. */
must_check int http_get_patiently(const char *url, size_t max_bytes, unsigned timeout_s,
    unsigned believed, struct http_response *out, struct err *e);

/* One POST of a JSON body; as http_get(). */
must_check int http_post_json_get(const char *url, const char *body, size_t max_bytes,
    unsigned timeout_s, struct http_response *out, struct err *e);

/* One POST of bytes; as http_get(). */
must_check int http_post_bytes(const char *url, const void *body, size_t len, size_t max_bytes,
    unsigned timeout_s, struct http_response *out, struct err *e);

/* One POST of a JSON body; the answer's body is dropped. Returns the status or -errno. */
must_check int http_post_json(const char *url, const char *body, unsigned timeout_s, struct err *e);

void http_response_clear(struct http_response *r);

#endif
