/* The part of server.h that refuses: what is wrong with a request before its body is read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "boot_handler/http/access.h"
#include "boot_handler/http/server_inside.h"

#define ANSWER_HEADER_BYTES 2048 /* what is left of it for an answer's header, and more */

static bool announced_too_large(const struct exchange *x, struct MHD_Connection *connection)
{
	const char *length = peer_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > exchange_body_max(x);
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

static bool changes(const char *method)
{
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static enum role needed(const struct exchange *x, const char *method)
{
	if (x->endpoint && x->endpoint->access == ENDPOINT_ANYBODY)
		return ROLE_NOBODY;
	if (x->endpoint && x->endpoint->access == ENDPOINT_OWNER)
		return ROLE_OWNER;
	return changes(method) ? ROLE_ADMIN : ROLE_READ;
}

static int check_role(const struct exchange *x, enum role role, struct err *e)
{
	if (x->role >= role)
		return 0;
	if (x->role == ROLE_NOBODY)
		return err_set(e, EACCES, "%s", access_needs_token);
	if (role == ROLE_OWNER)
		return err_set(e, EPERM,
		    "this is not for sessions: ask through the unix socket of the lab's own folder, or with the token");
	return err_set(
	    e, EPERM, "this session may look and not order: `vmlab dashboard` opens one that may");
}

/* Returns true when access was refused and `*result` is set. */
static bool refuse_stranger(struct server *s, struct MHD_Connection *connection, struct exchange *x,
    const char *method, enum MHD_Result *result)
{
	struct access_asked asked = {.host = peer_header(connection, MHD_HTTP_HEADER_HOST),
	    .origin = peer_header(connection, MHD_HTTP_HEADER_ORIGIN),
	    .authorization = peer_header(connection, MHD_HTTP_HEADER_AUTHORIZATION),
	    .cookie = peer_header(connection, MHD_HTTP_HEADER_COOKIE),
	    .changes = changes(method)};
	struct err e = ERR_INIT;

	x->role = ROLE_OWNER;
	if (!s->options.access)
		return false;
	const char *twice = header_given_twice(connection);
	if (twice) {
		err_set(&e, EINVAL, "the header %s is there twice: send it once", twice);
		*result = server_send_error(x, connection, MHD_HTTP_BAD_REQUEST, e.msg, NULL, NULL);
		return true;
	}
	int r = access_check(s->options.access, &asked, &x->role, &e);
	if (r == 0)
		r = check_role(x, needed(x, method), &e);
	if (r == 0)
		return false;
	*result = r == -EACCES
		      ? server_send_error(x, connection, MHD_HTTP_UNAUTHORIZED, e.msg,
			    MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"vmlab\"")
		      : server_send_error(x, connection, MHD_HTTP_FORBIDDEN, e.msg, NULL, NULL);
	return true;
}

enum MHD_Result server_refuse_body(struct MHD_Connection *connection, const struct exchange *x)
{
	char sentence[80];

	snprintf(sentence, sizeof(sentence), "the body is larger than %zu KiB: send less",
	    exchange_body_max(x) / 1024);
	return server_send_error(x, connection, MHD_HTTP_CONTENT_TOO_LARGE, sentence, NULL, NULL);
}

/* So large that its answer might find no room: nothing is done that could not be told. What is
 * larger than all of connection_bytes libmicrohttpd refuses itself, with 431 and a page of its own,
 * for which it has no option; nginx lets no machine send as much. */
static bool header_too_large(const struct server *s, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && info->header_size > s->options.connection_bytes - ANSWER_HEADER_BYTES;
}

/* A browser that asks for what is not there is told so in a page. */
static bool wants_page(struct MHD_Connection *connection)
{
	const char *accept = peer_header(connection, MHD_HTTP_HEADER_ACCEPT);

	return accept && strstr(accept, "text/html");
}

bool server_refuse(struct server *s, struct MHD_Connection *connection, struct exchange *x,
    const char *method, enum MHD_Result *result)
{
	if (x->parsed == ROUTE_NOT_FOUND && s->options.pages && wants_page(connection))
		x->table = s->options.pages;
	if (refuse_stranger(s, connection, x, method, result))
		return true;
	if (header_too_large(s, connection))
		*result = server_send_error(x, connection, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
		    "the request's header is too large: send fewer or shorter fields", NULL, NULL);
	else if (x->parsed == ROUTE_NOT_FOUND)
		*result = server_send_error(x, connection, MHD_HTTP_NOT_FOUND, x->why, NULL, NULL);
	else if (x->parsed < 0)
		*result =
		    server_send_error(x, connection, server_status(x->parsed), x->why, NULL, NULL);
	else if (!endpoint_allows(x->endpoint, method))
		*result = server_send_error(x, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "this method is not possible here: see the Allow header", MHD_HTTP_HEADER_ALLOW,
		    endpoint_methods(x->endpoint));
	else if (announced_too_large(x, connection))
		*result = server_refuse_body(connection, x);
	else
		return false;
	return true;
}
