/* listing.h - {"NAME":[…],…}: a list of any length as an answer, made while it is sent. */
#ifndef BOOT_HANDLER_HTTP_LISTING_H
#define BOOT_HANDLER_HTTP_LISTING_H

#include <jansson.h>

#include "boot_handler/http/call.h"

struct listing;

struct listing_kind {
	const char *name;
	/* The next item, a new reference; NULL: that was all. */
	json_t *(*next)(struct listing *l);
	/* What comes after the list, and its name; a new reference. NULL: nothing. */
	const char *tail_name;
	json_t *(*tail)(const struct listing *l);
};

struct listing {
	const struct listing_kind *kind;
	struct services *services;
	const struct vm_snapshot *snapshot;
	size_t next;  /* where next() is: its own to count */
	size_t items; /* so many were handed out */
	bool begun, ended;
	char *piece; /* text not yet handed out */
	size_t piece_len, piece_used;
};

must_check int listing_answer(
    const struct call *c, const struct listing_kind *kind, struct server_answer *a, struct err *e);

#endif
