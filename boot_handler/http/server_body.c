/* The part of server.h that takes a request's body: into memory, or into its endpoint's sink. */
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/server_inside.h"
#include "lib/base/text.h"

#define BODY_UNWANTED_MAX_BYTES (64 * 1024) /* what an endpoint that wants none bears with */
/* A client that goes on sending this much too much is cut off. */
#define BODY_PATIENCE_BYTES (1024 * 1024)

size_t exchange_body_max(const struct exchange *x)
{
	return x->endpoint->body_max ? x->endpoint->body_max : BODY_UNWANTED_MAX_BYTES;
}

void exchange_fail(struct exchange *x, int r, const struct err *e)
{
	x->sink_failed = r;
	text_copy_clean(e->msg, x->why, sizeof(x->why));
}

static void pour(struct exchange *x, const char *data, size_t size)
{
	struct err e = ERR_INIT;
	int r = x->sink_failed ? 0 : x->sink.write(x->sink.ctx, data, size, &e);

	if (r < 0)
		exchange_fail(x, r, &e);
}

bool exchange_take(struct exchange *x, const char *data, size_t size)
{
	x->received += size;
	if (x->received > exchange_body_max(x))
		return x->received <= exchange_body_max(x) + BODY_PATIENCE_BYTES;
	if (!x->endpoint->body_max)
		return true;
	if (x->endpoint->begin) {
		pour(x, data, size);
		return true;
	}
	char *bigger = realloc(x->body, x->len + size + 1);
	if (!bigger)
		return false;
	memcpy(bigger + x->len, data, size);
	x->body = bigger;
	x->len += size;
	x->body[x->len] = '\0';
	return true;
}
