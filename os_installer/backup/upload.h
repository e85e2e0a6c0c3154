/* upload.h - what a backup tells its server, each one request: which slices it has, one more, that
 * these are all. A line that is cut, or a server that is not there, is tried again until nothing
 * went for a quarter of an hour. */
#ifndef OS_INSTALLER_BACKUP_UPLOAD_H
#define OS_INSTALLER_BACKUP_UPLOAD_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"

#define UPLOAD_SLICES_MAX 60000U
/* The server has fewer slices than it said: send them again. */
#define UPLOAD_AGAIN 1

struct upload;

/* `url` is the backup's, without a slash at its end; it is copied. */
must_check int upload_new(const char *url, struct upload **out, struct err *e);
void upload_free(struct upload *u); /* NULL is allowed */

/* The sums of the slices that the server has, the first of the file first; freed by the caller. */
must_check int upload_have(struct upload *u, struct digest **sums, size_t *count, struct err *e);

must_check int upload_slice(struct upload *u, uint64_t number, const struct digest *sum,
    const void *data, size_t len, struct err *e);

/* That was all; `what` says of it what the slices do not. Borrowed. */
must_check int upload_finish(struct upload *u, const json_t *what, struct err *e);

/* How often something had to be tried again. */
unsigned upload_retries(const struct upload *u);

/* What may be done about a failure, "" when nothing is known. */
const char *upload_hint(const struct upload *u);

#endif
