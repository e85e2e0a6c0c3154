/* server_inside.h - inside of server.h: what its files share.
 *
 * libmicrohttpd calls exchange_*() and peer_note() in the listener's threads, those of one
 * connection never at once.
 */
#ifndef BOOT_HANDLER_HTTP_SERVER_INSIDE_H
#define BOOT_HANDLER_HTTP_SERVER_INSIDE_H

#include <microhttpd.h>
#include <pthread.h>

#include "boot_handler/http/hold.h"
#include "boot_handler/http/server.h"

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
	const struct endpoint *endpoint;    /* NULL: not found */
	const struct endpoint_table *table; /* whose it is; of one not found: whose error is told */
	enum role role;
	int parsed; /* what endpoint_find() said */
	bool begun; /* the handler was called for the headers */
	char *body;
	size_t len;
	size_t received;
	struct held held;
	struct server_sink sink;
	int sink_failed; /* -errno of its, with `why` */
	char why[300];   /* the sentence of a failed parse, or sink */
	char target[];   /* the route's; libmicrohttpd's own changes */
};

/* server_exchange.c */
void *exchange_begin(void *ctx, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_go_on(void *ctx, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
    void **exchange);
void exchange_end(void *ctx, struct MHD_Connection *connection, void **exchange,
    enum MHD_RequestTerminationCode why);

/* server_body.c */
size_t exchange_body_max(const struct exchange *x);
/* More of the body. False: the connection has to be closed. */
bool exchange_take(struct exchange *x, const char *data, size_t size);
/* The sink's failure. It is told when all has come: a proxy that still sends would take the end of
 * the connection for an accident, and the answer would be lost. */
void exchange_fail(struct exchange *x, int r, const struct err *e);

/* server_judge.c: answers what is wrong before any body is read. True: `*result` is set. */
bool server_refuse(struct server *s, struct MHD_Connection *connection, struct exchange *x,
    const char *method, enum MHD_Result *result);
enum MHD_Result server_refuse_body(struct MHD_Connection *connection, const struct exchange *x);

/* server_answer.c. `name` and `value`: one more header, or NULL. Takes over what the answer owns.
 */
enum MHD_Result server_send(struct MHD_Connection *connection, const struct server_answer *a,
    const char *name, const char *value);
enum MHD_Result server_send_error(const struct exchange *x, struct MHD_Connection *connection,
    unsigned status, const char *sentence, const char *name, const char *value);

/* server_peer.c */
void peer_note(void *ctx, struct MHD_Connection *connection, void **peer,
    enum MHD_ConnectionNotificationCode what);
/* Behind the proxy the client is whom that names; else who connected, and what is said of it does
 * not count. "": it is not known. As long as the connection. */
const char *peer_source(const struct server *s, struct MHD_Connection *connection);
/* Whoever waited for the answer is there no more: nothing is to be handed to it. */
bool peer_is_gone(struct MHD_Connection *connection);

/* A header of the request; NULL: it is not there. */
const char *peer_header(struct MHD_Connection *connection, const char *name);

#endif
