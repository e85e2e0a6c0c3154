#include "boot_handler/http/listing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "lib/base/cleanup.h"

/* before, the value, after; takes over `json`. */
static bool set_piece(struct listing *l, const char *before, json_t *json, const char *after)
{
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int n = asprintf(&l->piece, "%s%s%s", before, text ? text : "", after);

	json_decref(json);
	if (n < 0) {
		l->piece = NULL;
		return false;
	}
	l->piece_len = (size_t)n;
	l->piece_used = 0;
	return true;
}

/* In turn: the opening, the items with commas between them, the end. */
static bool next_piece(struct listing *l)
{
	const struct listing_kind *kind = l->kind;
	char words[80];

	free(l->piece);
	l->piece = NULL;
	if (l->ended)
		return false;
	if (!l->begun) {
		l->begun = true;
		snprintf(words, sizeof(words), "{\"%s\":[", kind->name);
		return set_piece(l, words, NULL, "");
	}
	json_t *item = kind->next(l);
	if (item)
		return set_piece(l, l->items++ > 0 ? "," : "", item, "");
	l->ended = true;
	if (!kind->tail)
		return set_piece(l, "]}", NULL, "");
	snprintf(words, sizeof(words), "],\"%s\":", kind->tail_name);
	return set_piece(l, words, kind->tail(l), "}");
}

static size_t listing_read(void *ctx, char *buf, size_t size)
{
	struct listing *l = ctx;
	size_t n = 0;

	while (n < size) {
		if ((!l->piece || l->piece_used == l->piece_len) && !next_piece(l))
			break;
		size_t part = l->piece_len - l->piece_used;
		if (part > size - n)
			part = size - n;
		memcpy(buf + n, l->piece + l->piece_used, part);
		l->piece_used += part;
		n += part;
	}
	return n;
}

static void listing_free(void *ctx)
{
	struct listing *l = ctx;

	free(l->piece);
	vm_snapshot_unref(l->snapshot);
	free(l);
}

int listing_answer(
    const struct call *c, const struct listing_kind *kind, struct server_answer *a, struct err *e)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	l->kind = kind;
	l->services = c->services;
	l->snapshot = vm_store_snapshot(c->services->store);
	a->type = JSON_TYPE;
	a->kind = SERVER_BODY_STREAM;
	a->stream = listing_read;
	a->stream_free = listing_free;
	a->stream_ctx = l;
	return 0;
}
