/* post.h - one request to a receiver, by libcurl: POST over http or https, nothing else, to that
 * address and no other: redirections are not followed, and no proxy is asked. TLS is verified by
 * the authorities of a file. The answer's body is read for its first line alone.
 *
 * One thread; post_cancel() may be called by others.
 */
#ifndef BOOT_HANDLER_WEBHOOK_POST_H
#define BOOT_HANDLER_WEBHOOK_POST_H

#include <stddef.h>
#include <stdint.h>

#include "boot_handler/state/hook.h"
#include "lib/base/err.h"

#define POST_CONNECT_TIMEOUT_MS 5000
#define POST_TIMEOUT_MS 15000 /* of all of it */

struct post;

struct post_answer {
	unsigned status; /* 0: none */
	int64_t retry_after_s;
	char error[HOOK_ERROR_SIZE]; /* "": it is a 2xx */
};

/* Once, before any thread is started. */
must_check int post_prepare(struct err *e);

must_check int post_new(struct post **out, struct err *e);
void post_free(struct post *p); /* NULL is allowed */

/* `headers` ends with NULL. `authorities` is a file of certificates (PEM). */
void post_send(struct post *p, const char *url, const char *authorities, const char *const *headers,
    const char *body, size_t len, struct post_answer *answer);

/* What is under way, and all that follows, ends at once, without an answer. */
void post_cancel(struct post *p);

/* Closes the connection that is kept for the next. */
void post_rest(struct post *p);

#endif
