#include "boot_handler/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot_handler/http/access.h"
#include "boot_handler/http/hold.h"
#include "boot_handler/sources/listen.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#define TIMEOUT_S 30
#define CONNECTIONS_MAX 4096
#define ANSWER_HEADER_BYTES 2048 /* what is left of it for an answer's header, and more */
#define STOP_GRACE_US 50000
#define ACCEPT_PAUSE_US 10000
#define BODY_UNWANTED_MAX_BYTES (64 * 1024) /* what an endpoint that wants none bears with */
/* A client that goes on sending this much too much is cut off. */
#define BODY_PATIENCE_BYTES (1024 * 1024)

struct server {
	struct server_options options;
	struct MHD_Daemon *daemon;
	struct holds *holds;
	pthread_t acceptor;
	int fd;
	int stop; /* eventfd */
};

/* From the request line to the end of the answer. */
struct exchange {
	struct route route;
	const struct endpoint *endpoint; /* NULL: not found */
	int parsed;                      /* what endpoint_find() said */
	bool begun;                      /* the handler was called for the headers */
	char *body;
	size_t len;
	size_t received;
	struct held held;
	struct server_sink sink;
	int sink_failed; /* -errno of its, with `why` */
	char why[300];   /* the sentence of a failed parse, or sink */
	char target[];   /* the route's; libmicrohttpd's own changes */
};

unsigned server_status(int r)
{
	switch (-r) {
	case 0:
		return MHD_HTTP_OK;
	case EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case EBUSY:
		return MHD_HTTP_CONFLICT;
	case EFBIG:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case EPERM:
		return MHD_HTTP_FORBIDDEN;
	case ESTALE:
		return MHD_HTTP_PRECONDITION_FAILED;
	case EBADMSG:
		return MHD_HTTP_UNPROCESSABLE_CONTENT;
	case EDQUOT:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	case EIO:
	case ENOSPC:
	case EACCES:
	case ETIMEDOUT:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

void server_answer_text(struct server_answer *a, const char *type, char *text)
{
	a->type = type;
	a->kind = SERVER_BODY_OWNED;
	a->body = text;
	a->len = text ? strlen(text) : 0;
}

void server_answer_error(
    struct server_answer *a, enum endpoint_side side, unsigned status, const char *sentence)
{
	char *text = NULL;

	a->status = status;
	if (side == ENDPOINT_OPERATOR) {
		json_t *json = json_pack("{s:s}", "error", sentence);
		text = json_dumps(json, JSON_COMPACT);
		json_decref(json);
		server_answer_text(a, "application/json", text);
	} else if (asprintf(&text, "%s\n", sentence) >= 0) {
		server_answer_text(a, "text/plain; charset=utf-8", text);
	}
}

/* ---- sending ----------------------------------------------------------------------------- */

static ssize_t stream_read(void *ctx, uint64_t pos, char *buf, size_t size)
{
	struct server_answer *a = ctx;

	(void)pos;
	size_t n = a->stream(a->stream_ctx, buf, size);
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_free(void *ctx)
{
	struct server_answer *a = ctx;

	a->stream_free(a->stream_ctx);
	free(a);
}

static struct MHD_Response *stream_response(const struct server_answer *a)
{
	struct server_answer *copy = malloc(sizeof(*copy));
	struct MHD_Response *response = NULL;

	if (copy) {
		*copy = *a;
		response = MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, 64 * 1024, stream_read, copy, stream_free);
	}
	if (!response) {
		a->stream_free(a->stream_ctx);
		free(copy);
	}
	return response;
}

static struct MHD_Response *make_response(const struct server_answer *a)
{
	if (a->kind == SERVER_BODY_STREAM)
		return stream_response(a);
	enum MHD_ResponseMemoryMode mode =
	    a->kind == SERVER_BODY_OWNED ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY;
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(a->body ? a->len : 0, (void *)a->body, mode);
	if (!response && a->kind == SERVER_BODY_OWNED)
		free((void *)a->body);
	return response;
}

/* `name` and `value`: one more header, or NULL. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, const struct server_answer *a,
    const char *name, const char *value)
{
	struct MHD_Response *response = make_response(a);

	if (!response)
		return MHD_NO;
	if (a->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (name)
		MHD_add_response_header(response, name, value);
	enum MHD_Result sent = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return sent;
}

static enum MHD_Result send_error(struct server *s, struct MHD_Connection *connection,
    unsigned status, const char *sentence, const char *name, const char *value)
{
	struct server_answer a = {0};

	server_answer_error(&a, s->options.endpoints->side, status, sentence);
	return send_answer(connection, &a, name, value);
}

/* ---- receiving --------------------------------------------------------------------------- */

static void *begin_exchange(void *ctx, const char *target, struct MHD_Connection *connection)
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
	x->parsed = endpoint_find(s->options.endpoints, x->target, &x->route, &x->endpoint, &e);
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

static void end_exchange(void *ctx, struct MHD_Connection *connection, void **exchange,
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

static size_t body_max(const struct exchange *x)
{
	return x->endpoint->body_max ? x->endpoint->body_max : BODY_UNWANTED_MAX_BYTES;
}

static bool announced_too_large(const struct exchange *x, struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(
	    connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > body_max(x);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

struct count {
	const char *name;
	int times;
};

static enum MHD_Result count_one(
    void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct count *c = ctx;

	(void)kind;
	(void)value;
	c->times += strcasecmp(name, c->name) == 0;
	return MHD_YES;
}

/* The header that is there twice, of those by which access is judged: who stands in between may
 * have judged by the other one. NULL: none. */
static const char *header_given_twice(struct MHD_Connection *connection)
{
	static const char *const once[] = {MHD_HTTP_HEADER_HOST, MHD_HTTP_HEADER_ORIGIN,
	    MHD_HTTP_HEADER_AUTHORIZATION, MHD_HTTP_HEADER_CONTENT_LENGTH};

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		struct count c = {.name = once[i]};
		MHD_get_connection_values(connection, MHD_HEADER_KIND, count_one, &c);
		if (c.times > 1)
			return once[i];
	}
	return NULL;
}

/* Returns true when access was refused and `*result` is set. */
static bool refuse_stranger(
    struct server *s, struct MHD_Connection *connection, enum MHD_Result *result)
{
	struct err e = ERR_INIT;

	if (!s->options.access)
		return false;
	const char *twice = header_given_twice(connection);
	if (twice) {
		err_set(&e, EINVAL, "the header %s is there twice: send it once", twice);
		*result = send_error(s, connection, MHD_HTTP_BAD_REQUEST, e.msg, NULL, NULL);
		return true;
	}
	int r = access_check(s->options.access, header(connection, MHD_HTTP_HEADER_HOST),
	    header(connection, MHD_HTTP_HEADER_ORIGIN),
	    header(connection, MHD_HTTP_HEADER_AUTHORIZATION), &e);
	if (r == 0)
		return false;
	*result = r == -EACCES ? send_error(s, connection, MHD_HTTP_UNAUTHORIZED, e.msg,
				     MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"vmlab\"")
			       : send_error(s, connection, MHD_HTTP_FORBIDDEN, e.msg, NULL, NULL);
	return true;
}

static enum MHD_Result refuse_body(
    struct server *s, struct MHD_Connection *connection, const struct exchange *x)
{
	char sentence[80];

	snprintf(sentence, sizeof(sentence), "the body is larger than %zu KiB: send less",
	    body_max(x) / 1024);
	return send_error(s, connection, MHD_HTTP_CONTENT_TOO_LARGE, sentence, NULL, NULL);
}

/* So large that its answer might find no room: nothing is done that could not be told. */
static bool header_too_large(const struct server *s, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && info->header_size > s->options.connection_bytes - ANSWER_HEADER_BYTES;
}

/* Answers what is wrong before any body is read. Returns true when `*result` is set. */
static bool refuse_early(struct server *s, struct MHD_Connection *connection,
    const struct exchange *x, const char *method, enum MHD_Result *result)
{
	if (refuse_stranger(s, connection, result))
		return true;
	if (header_too_large(s, connection))
		*result = send_error(s, connection, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
		    "the request's header is too large: send fewer or shorter fields", NULL, NULL);
	else if (x->parsed == ROUTE_NOT_FOUND)
		*result = send_error(s, connection, MHD_HTTP_NOT_FOUND, x->why, NULL, NULL);
	else if (x->parsed < 0)
		*result = send_error(s, connection, server_status(x->parsed), x->why, NULL, NULL);
	else if (!endpoint_allows(x->endpoint, method))
		*result = send_error(s, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "this method is not possible here: see the Allow header", MHD_HTTP_HEADER_ALLOW,
		    endpoint_methods(x->endpoint));
	else if (announced_too_large(x, connection))
		*result = refuse_body(s, connection, x);
	else
		return false;
	return true;
}

/* Told when all has come: a proxy that still sends would take the end of the connection for an
 * accident, and the answer would be lost. */
static void fail_sink(struct exchange *x, int r, const struct err *e)
{
	x->sink_failed = r;
	text_copy_clean(e->msg, x->why, sizeof(x->why));
}

static void pour(struct exchange *x, const char *data, size_t size)
{
	struct err e = ERR_INIT;
	int r = x->sink_failed ? 0 : x->sink.write(x->sink.ctx, data, size, &e);

	if (r < 0)
		fail_sink(x, r, &e);
}

/* Returns false when the connection has to be closed. */
static bool take_body(struct exchange *x, const char *data, size_t size)
{
	x->received += size;
	if (x->received > body_max(x))
		return x->received <= body_max(x) + BODY_PATIENCE_BYTES;
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

/* The address of who connected, as text; NULL: it has none, or memory is short. */
static char *peer_text(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;
	const void *address = NULL;
	char buf[INET6_ADDRSTRLEN];

	if (peer && peer->sa_family == AF_INET)
		address = &((const struct sockaddr_in *)peer)->sin_addr;
	else if (peer && peer->sa_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
	return address && inet_ntop(peer->sa_family, address, buf, sizeof(buf)) ? strdup(buf)
										: NULL;
}

static void note_connection(void *ctx, struct MHD_Connection *connection, void **peer,
    enum MHD_ConnectionNotificationCode what)
{
	(void)ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*peer = peer_text(connection);
	} else {
		free(*peer);
		*peer = NULL;
	}
}

/* Behind a proxy on our unix socket the client is whom it names; else who connected. */
static const char *find_source(const struct server *s, struct MHD_Connection *connection)
{
	const char *source;

	if (listen_unix_path(s->options.listen)) {
		source = header(connection, "X-Real-IP");
	} else {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		source = info ? info->socket_context : NULL;
	}
	return source ? source : "";
}

/* Whoever waited for the answer is there no more: nothing is to be handed to it. */
static bool is_gone(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
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
			return send_answer(connection, &a, NULL, NULL);
		switch (hold(s, connection, &x->held, &a, count)) {
		case HOLD_IS:
			return MHD_YES;
		case HOLD_FULL:
			return send_error(s, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
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
	    .side = s->options.endpoints->side,
	    .route = &x->route,
	    .source = find_source(s, connection),
	    .head = method[0] == 'H',
	    .post = method[0] == 'P',
	    .drop = method[0] == 'D',
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
		fail_sink(x, r, &e);
}

static enum MHD_Result answer_request(void *ctx, struct MHD_Connection *connection, const char *url,
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
		if (refuse_early(s, connection, x, method, &result))
			return result;
		begin(s, connection, x, method);
		return MHD_YES;
	}
	if (*upload_data_size > 0) {
		bool go_on = take_body(x, upload_data, *upload_data_size);
		*upload_data_size = 0;
		return go_on ? MHD_YES : MHD_NO;
	}
	if (x->received > body_max(x))
		return refuse_body(s, connection, x);
	if (x->sink_failed)
		return send_error(s, connection, server_status(x->sink_failed), x->why, NULL, NULL);

	if (x->held.until_ms && is_gone(connection))
		return MHD_NO;
	struct server_request request = request_of(s, x, connection, method);
	return handle(s, connection, x, &request);
}

/* ---- life -------------------------------------------------------------------------------- */

static void log_library(void *ctx, const char *format, va_list arguments)
{
	char text[400];

	(void)ctx;
	/* The format is the library's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof(text), format, arguments);
#pragma GCC diagnostic pop
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

static void accept_all(struct server *s)
{
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd =
		    accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
				usleep(ACCEPT_PAUSE_US);
			return;
		}
		/* Closes the socket, too, when it cannot take it. */
		(void)MHD_add_connection(s->daemon, fd, (struct sockaddr *)&peer, len);
	}
}

/* Left to accept for themselves, the first of the library's threads to wake takes all waiting
 * connections and the others idle; handed in, they are spread evenly. */
static void *accept_loop(void *ctx)
{
	struct server *s = ctx;
	struct pollfd polled[3] = {{.fd = s->fd, .events = POLLIN},
	    {.fd = s->stop, .events = POLLIN}, {.fd = holds_fd(s->holds), .events = POLLIN}};

	while (!polled[1].revents) {
		if (poll(polled, 3, holds_round(s->holds)) < 0 && errno != EINTR)
			usleep(ACCEPT_PAUSE_US);
		else if (polled[0].revents && !polled[1].revents)
			accept_all(s);
	}
	return NULL;
}

static void server_free(struct server *s)
{
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	if (s->stop >= 0)
		close(s->stop);
	if (s->fd >= 0)
		close(s->fd);
	holds_free(s->holds);
	free(s);
}

static void cleanup_server(struct server **s)
{
	if (*s)
		server_free(*s);
}

int server_start(const struct server_options *options, struct server **out, struct err *e)
{
	_cleanup_(cleanup_server) struct server *s = calloc(1, sizeof(*s));
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ERROR_LOG |
			 MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->options = *options;
	s->fd = -1;
	s->stop = eventfd(0, EFD_CLOEXEC);
	if (s->stop < 0)
		return err_errno(e, "cannot start the HTTP server on %s", options->listen);
	int made = holds_new(&s->holds, e);
	if (made < 0)
		return made;
	s->fd = listen_open(options->listen, options->socket_mode, e);
	if (s->fd < 0)
		return s->fd;
	struct MHD_OptionItem pool[] = {
	    {options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
		(intptr_t)options->threads, NULL},
	    {MHD_OPTION_END, 0, NULL},
	};
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer_request, s,
	    MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_URI_LOG_CALLBACK,
	    begin_exchange, s, MHD_OPTION_NOTIFY_COMPLETED, end_exchange, s,
	    MHD_OPTION_NOTIFY_CONNECTION, note_connection, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_bytes, MHD_OPTION_ARRAY, pool,
	    MHD_OPTION_END);
	int r = s->daemon ? pthread_create(&s->acceptor, NULL, accept_loop, s) : EIO;
	if (r != 0)
		return err_set(e, r, "cannot start the HTTP server on %s", options->listen);
	*out = steal_ptr(s);
	return 0;
}

void server_wake(struct server *s, uint64_t key)
{
	if (s)
		holds_wake(s->holds, key);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	if (eventfd_write(s->stop, 1) < 0)
		log_error("cannot stop the HTTP server cleanly: %s", strerror(errno));
	else
		pthread_join(s->acceptor, NULL);
	listen_remove(s->options.listen);
	holds_stop(s->holds);
	usleep(STOP_GRACE_US);
	server_free(s);
}
