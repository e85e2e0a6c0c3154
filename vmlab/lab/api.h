/* api.h - the stack's operator API: HTTP over the unix socket in the lab's own folder, however long
 * that folder's path. One handle, one thread. */
#ifndef VMLAB_LAB_API_H
#define VMLAB_LAB_API_H

#include <jansson.h>

#include "lib/base/err.h"

struct api;

/* `folder` is the lab's own; it need not exist yet. */
must_check int api_new(const char *folder, struct api **out, struct err *e);
void api_free(struct api *api);

static inline void cleanup_json(json_t **value)
{
	json_decref(*value);
}
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* GET a path such as "/vms/%s" below /api/v1. *out is a new reference. -ECONNREFUSED when nobody
 * answers, -EACCES when the lab is another user's, -ENOENT for 404, -EREMOTEIO for any other
 * refusal (the message is the API's own sentence), -EPROTO when the answer is not JSON or larger
 * than 16 MiB. */
must_check int api_get(struct api *api, json_t **out, struct err *e, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* POST without a body; errors as api_get(). `out` may be NULL: then the answer may be empty. */
must_check int api_post(struct api *api, json_t **out, struct err *e, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with one. */
must_check int api_post_json(struct api *api, const json_t *body, json_t **out, struct err *e,
    const char *path, ...) __attribute__((format(printf, 5, 6)));

/* DELETE, as api_post(). */
must_check int api_delete(struct api *api, json_t **out, struct err *e, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* What is no JSON; the caller frees *out, which has a NUL behind it. Errors as api_get(). */
must_check int api_get_bytes(struct api *api, char **out, size_t *len, struct err *e,
    const char *path, ...) __attribute__((format(printf, 5, 6)));

/* 0 when GET /readyz says 200. -EAGAIN when it answers that it is not ready (the message is its
 * reasons), else as api_get(). */
must_check int api_ready(struct api *api, struct err *e);

#endif
