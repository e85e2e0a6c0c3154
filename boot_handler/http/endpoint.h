/* endpoint.h - what can be asked of a listener: one table a side, a row an endpoint. Which requests
 * are taken, with which method and how large a body, who may ask, whose definition is handed to the
 * handler, and what `boot_handler --help` lists, is read from the row. Pure: finding a row is all
 * that is done here; call.h calls its handler.
 */
#ifndef BOOT_HANDLER_HTTP_ENDPOINT_H
#define BOOT_HANDLER_HTTP_ENDPOINT_H

#include <stdio.h>

#include "boot_handler/documents/route.h"
#include "lib/base/err.h"

struct call;
struct server_answer;
struct server_sink;

enum endpoint_access {
	ENDPOINT_LISTENER, /* whoever the listener lets in; of sessions those for admins where it
			      changes something */
	ENDPOINT_ITSELF,   /* only the machine that the path names, from an address of it */
	ENDPOINT_ANYBODY,  /* also who is not known yet */
	ENDPOINT_OWNER,    /* not by a session */
};

/* A path is that of one row alone. */
struct endpoint {
	const char
	    *method; /* "POST", or "GET", which implies HEAD, "PUT", "POST|GET" or "DELETE|GET" */
	const char *path; /* "/api/v1/vms/<name>"; the parts are those of route_part() */
	/* Of the query, which is ignored where this is NULL. */
	int (*query)(struct piece query, struct route *out, struct err *e);
	/* Fills the answer, which is a 200 without a body before. 0, or -errno with a sentence. */
	int (*run)(const struct call *call, struct server_answer *a, struct err *e);
	enum endpoint_access access;
	size_t body_max; /* in bytes; 0: no body is wanted, and what comes is thrown away */
	const char *summary;
	const char *produces; /* its answer's type; NULL: JSON */
	bool takes_away;      /* DELETE is answered 204, without a body */
	/* Before the body: takes it as it comes. NULL: it is handed over whole. */
	int (*begin)(const struct call *call, struct server_sink *out, struct err *e);
};

enum endpoint_side {
	ENDPOINT_GUEST,    /* what machines of the lab may ask */
	ENDPOINT_OPERATOR, /* what the operator may ask */
};

struct endpoint_table {
	enum endpoint_side side;
	const struct endpoint *rows;
	size_t count;
	/* Fills the answer that is an error; NULL: as is usual for the side. */
	void (*error)(struct server_answer *a, unsigned status, const char *sentence);
};

/* Parses a target as it came over the wire (still percent-encoded, with its query); what the
 * route has of it is borrowed. Returns 0,
 * ROUTE_NOT_FOUND (`e` then says so in a sentence, too), or -EINVAL for a known path with a
 * malformed value. */
must_check int endpoint_find(const struct endpoint_table *table, const char *target,
    struct route *route, const struct endpoint **found, struct err *e);

bool endpoint_allows(const struct endpoint *endpoint, const char *method);
/* For the Allow header. */
const char *endpoint_methods(const struct endpoint *endpoint);
/* True when its path names a part so: "<mac>". */
bool endpoint_names(const struct endpoint *endpoint, const char *part);

/* A line a row. */
void endpoint_print(const struct endpoint_table *table, FILE *f);

#endif
