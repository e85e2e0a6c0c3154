/* err.h - why something failed, for a person to read.
 *
 * A fallible function takes `struct err *` last, returns 0 or -errno and has filled the struct
 * when it returns negative. Callers add context on the way up with err_wrap(); the top logs the
 * message once. A sentence may quote others: text.h cleans it. No allocation, no global state: safe
 * in every thread.
 */
#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H

#include <stdarg.h>

#define must_check __attribute__((warn_unused_result))

struct err {
	int code;       /* positive errno */
	char msg[1000]; /* one sentence, no newline at its end */
};

#define ERR_INIT {0, ""}

/* Sets code (positive errno) and message. Returns -code. `e` may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with errno's code, and ": <strerror>" after the message. Preserves errno. */
int err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<context>: " before the message already there. Returns -code. `e` may be NULL. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
