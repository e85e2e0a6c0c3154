/* server.h - HTTP/1.1 listeners on libmicrohttpd: takes a request in, finds its endpoint,
 * collects its body, hands both to a handler, sends the answer. Knows nothing of machines.
 *
 * A handler runs in one of the listener's threads. It is called once for each request that has a
 * good route, method and size; the other answers are given here.
 */
#ifndef BOOT_HANDLER_HTTP_SERVER_H
#define BOOT_HANDLER_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "boot_handler/http/endpoint.h"
#include "boot_handler/http/session.h"
#include "lib/base/err.h"

struct server_request {
	const struct endpoint *endpoint;
	const struct endpoint_table *table; /* of the endpoint */
	const struct route *route;
	const char *source; /* the client's address as text; "" when it is not known */
	enum role role;     /* who asks; of a listener without access.h its owner */
	bool head;          /* HEAD: the answer's headers are wanted, and no effect */
	bool post;
	bool drop;                 /* DELETE */
	const char *last_event_id; /* of who follows a stream again; NULL: not given */
	bool over;                 /* it may not be put aside (any more) */
	bool tls;                  /* it came by TLS */
	const char *body;          /* NUL-terminated; "" when there is none, or none is wanted */
	size_t body_len;
	void *sink; /* the endpoint's, which has all of the body; NULL: it has none */
};

/* Takes a body as it comes, in place of server_request.body. */
struct server_sink {
	void *ctx; /* NULL: there is none */
	/* 0, or -errno with the sentence of the answer. */
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void (*drop)(void *ctx); /* after the answer, or without one */
};

enum server_body {
	SERVER_BODY_COPY,   /* copied before the handler is called again in this thread */
	SERVER_BODY_OWNED,  /* malloc'ed; the server frees it */
	SERVER_BODY_STREAM, /* made by `stream` while it is sent */
	SERVER_BODY_LIVE,   /* likewise, as things happen; no cache keeps it */
};

/* Returned by `stream` of a live body after server_line_sleep(): there is nothing now. */
#define SERVER_ASLEEP ((size_t)-1)

/* The connection that a live body is sent on. */
struct server_line;
struct server_header {
	const char *name, *value;
};

struct server_answer {
	unsigned status;
	const struct server_header *headers; /* static, ends with a name of NULL; NULL: none */
	/* One more; the value is malloc'ed, and then the server's. A name of NULL: none. */
	const char *own_name;
	char *own_value;
	const char *type; /* static text; NULL: no body */
	enum server_body kind;
	const char *body;
	size_t len;
	/* Writes up to size bytes into buf and returns their number, 0 at the end. */
	size_t (*stream)(void *ctx, char *buf, size_t size);
	void (*stream_free)(void *ctx);
	/* Of a live body, once, before the first `stream`: where it is sent, until `stream_free`.
	 */
	void (*stream_on)(void *ctx, struct server_line *line);
	void *stream_ctx;
	/* Not 0: there is no answer yet. The request is put aside for so long at most, and comes
	 * again when that is over or server_wake() has woken its key; a newer one with the same key
	 * ends its time. `hold_few`: it is one of those that may take only a part of the places. */
	int64_t hold_ms;
	uint64_t hold_key;
	bool hold_few;
};

/* Fills an answer with a sentence, as the table has it: text for guests, {"error": ...} for the
 * operator, or a page. The sentence is copied. */
void server_answer_error(struct server_answer *a, const struct endpoint_table *table,
    unsigned status, const char *sentence);
/* Takes over malloc'ed text. */
void server_answer_text(struct server_answer *a, const char *type, char *text);

struct access;
struct certificate;

/* What a connection has for a request's header and its answer's: firmware sends little, a browser
 * all cookies of localhost. */
#define SERVER_GUEST_BYTES ((size_t)12 * 1024)
#define SERVER_OPERATOR_BYTES ((size_t)32 * 1024)
#define SERVER_UPLOAD_BYTES ((size_t)128 * 1024) /* so much of a body at once */

struct server_options {
	const char *listen;          /* what listen_open() takes; borrowed till the end */
	mode_t socket_mode;          /* of "unix:/path" */
	const struct access *access; /* NULL: whoever can connect may ask; borrowed till the end */
	const struct certificate *certificate; /* of TLS; NULL: plain; borrowed till the end */
	const struct endpoint_table *endpoints;
	const struct endpoint_table *pages; /* for browsers, beside them; NULL: none */
	unsigned threads;                   /* at least 1 */
	size_t connection_bytes;            /* SERVER_*_BYTES; wiped for each request */
	bool proxied;                       /* nginx alone asks, and says for whom: X-Real-IP */
	void (*handle)(void *ctx, const struct server_request *request, struct server_answer *a);
	/* Before the body, of an endpoint that takes it as it comes: 0 with a sink, or -errno with
	 * the sentence that is the answer. NULL where there is no such endpoint. */
	int (*begin)(void *ctx, const struct server_request *request, struct server_sink *sink,
	    struct err *e);
	void *ctx;
};

struct server;

must_check int server_start(
    const struct server_options *options, struct server **out, struct err *e);
/* Lets the request that was put aside with that key come again. Any thread; NULL is allowed. */
void server_wake(struct server *s, uint64_t key);
/* Has `stream` not be called before server_line_wake(): to be called in `stream`, which then
 * returns SERVER_ASLEEP. The caller sees to it that each sleep is followed by one wake, and none by
 * a `stream_free`, and that nobody sleeps when the server is stopped. */
void server_line_sleep(struct server_line *line);
void server_line_wake(struct server_line *line); /* any thread */

/* Stops taking connections, gives requests under way 50 ms, then closes. NULL is allowed. */
void server_stop(struct server *s);

/* The one place where outcomes become HTTP: 0 is 200; errors by their errno. */
unsigned server_status(int r);

#endif
