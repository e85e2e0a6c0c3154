#include "lib/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
		text_clean_string(e->msg, "");
		e->code = code;
	}
	return -code;
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int code = errno;

	if (e) {
		va_list ap;
		va_start(ap, fmt);
		int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(e->msg))
			snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", strerror(code));
		text_clean_string(e->msg, "");
		e->code = code;
	}
	errno = code;
	return -code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return -EIO;

	char below[sizeof(e->msg)];
	memcpy(below, e->msg, sizeof(below));

	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	/* What does not fit is cut. */
	if (n >= 0 && (size_t)n < sizeof(e->msg) &&
	    snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", below) < 0)
		e->msg[n] = '\0';
	text_clean_string(e->msg, "");
	return -e->code;
}
