/* The part of server.h that leads one request from its first line to its answer. */
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/server_inside.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"

static void find(const struct server *s, struct exchange *x, struct err *e)
{
	struct err none = ERR_INIT;

	x->table = s->options.endpoints;
	x->role = ROLE_NOBODY;
	x->parsed = endpoint_find(x->table, x->target, &x->route, &x->endpoint, e);
	if (x->parsed != ROUTE_NOT_FOUND || !s->options.pages)
		return;
	int r = endpoint_find(s->options.pages, x->target, &x->route, &x->endpoint, &none);
	if (r == ROUTE_NOT_FOUND)
		return;
	x->table = s->options.pages;
	x->parsed = r;
	*e = none;
}

void *exchange_begin(void *ctx, const char *target, struct MHD_Connection *connection)
{
	size_t size = strnlen(target, ROUTE_TARGET_MAX + 1) + 1;
	struct exchange *x = malloc(sizeof(*x) + size);
	const struct server *s = ctx;
	struct err e;

	(void)connection;
	if (!x)
		return NULL;
	memcpy(x->target, target, size - 1);
	x->target[size - 1] = '\0';
	e.msg[0] = '\0';
	find(s, x, &e);
	if (x->parsed != 0)
		text_copy_clean(e.msg, x->why, sizeof(x->why)); /* it may quote the client */
	x->begun = false;
	x->body = NULL;
	x->len = 0;
	x->received = 0;
	memset(&x->held, 0, sizeof(x->held));
	memset(&x->sink, 0, sizeof(x->sink));
	x->sink_failed = 0;
	return x;
}

void exchange_end(void *ctx, struct MHD_Connection *connection, void **exchange,
    enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *exchange;
	const struct server *s = ctx;

	(void)connection;
	(void)why;
	if (!x)
		return;
	holds_drop(s->holds, &x->held);
	if (x->sink.ctx)
		x->sink.drop(x->sink.ctx);
	free(x->body);
	free(x);
	*exchange = NULL;
}

static enum hold hold(struct server *s, struct MHD_Connection *connection, struct held *held,
    const struct server_answer *a, uint64_t count)
{
	held->connection = connection;
	held->key = a->hold_key;
	held->few = a->hold_few;
	if (!held->until_ms)
		held->until_ms = monotonic_ms() + a->hold_ms;
	return holds_put(s->holds, held, count);
}

static enum MHD_Result handle(struct server *s, struct MHD_Connection *connection,
    struct exchange *x, struct server_request *request)
{
	for (;;) {
		struct server_answer a = {.status = MHD_HTTP_OK};
		uint64_t count = holds_count(s->holds);

		request->over = x->held.over || request->head;
		s->options.handle(s->options.ctx, request, &a);
		if (a.hold_ms == 0 || request->over)
			return server_send(connection, &a, NULL, NULL);
		switch (hold(s, connection, &x->held, &a, count)) {
		case HOLD_IS:
			return MHD_YES;
		case HOLD_FULL:
			return server_send_error(x, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			    "very many wait here already: ask again in a minute", NULL, NULL);
		case HOLD_LOOK_AGAIN:
			break;
		}
	}
}

static struct server_request request_of(const struct server *s, const struct exchange *x,
    struct MHD_Connection *connection, const char *method)
{
	return (struct server_request){
	    .endpoint = x->endpoint,
	    .table = x->table,
	    .route = &x->route,
	    .source = peer_source(s, connection),
	    .role = x->role,
	    .tls = s->options.certificate != NULL,
	    .head = method[0] == 'H',
	    .post = method[0] == 'P',
	    .drop = method[0] == 'D',
	    .last_event_id = peer_header(connection, "Last-Event-ID"),
	    .body = x->body ? x->body : "",
	    .body_len = x->len,
	    .sink = x->sink.ctx,
	};
}

/* Before the body. */
static void begin(
    struct server *s, struct MHD_Connection *connection, struct exchange *x, const char *method)
{
	struct server_request request = request_of(s, x, connection, method);
	struct err e = ERR_INIT;
	int r = x->endpoint->begin ? s->options.begin(s->options.ctx, &request, &x->sink, &e) : 0;

	if (r < 0)
		exchange_fail(x, r, &e);
}

enum MHD_Result exchange_go_on(void *ctx, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
    void **exchange)
{
	struct exchange *x = *exchange;
	struct server *s = ctx;
	enum MHD_Result result;

	(void)url;
	(void)version;
	if (!x)
		return MHD_NO;
	if (!x->begun) {
		x->begun = true;
		if (server_refuse(s, connection, x, method, &result))
			return result;
		begin(s, connection, x, method);
		return MHD_YES;
	}
	if (*upload_data_size > 0) {
		bool go_on = exchange_take(x, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return go_on ? MHD_YES : MHD_NO;
	}
	if (x->received > exchange_body_max(x))
		return server_refuse_body(connection, x);
	if (x->sink_failed)
		return server_send_error(
		    x, connection, server_status(x->sink_failed), x->why, NULL, NULL);

	if (x->held.until_ms && peer_is_gone(connection))
		return MHD_NO;
	struct server_request request = request_of(s, x, connection, method);
	return handle(s, connection, x, &request);
}
