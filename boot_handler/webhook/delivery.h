/* delivery.h - what a receiver is sent: a batch of events, and who says so.
 *
 *	{"delivery":"3-17-20","webhook":"ci","sent":"2025-01-31T12:00:00.250Z","events":[...],
 *	 "last":20}
 *
 * "events" are those of /api/v1/events. "missed" says how many events were kept no longer when it
 * was their turn; "test": true is there in a delivery that somebody asked for. The same events sent
 * again have the same name, "delivery", and another "sent"; as both are in the body, they are
 * signed with it: HMAC-SHA256 (RFC 2104) by the webhook's secret.
 *
 * The batch is bounded: DELIVERY_EVENTS_MAX, and DELIVERY_BYTES and one event. One thread.
 */
#ifndef BOOT_HANDLER_WEBHOOK_DELIVERY_H
#define BOOT_HANDLER_WEBHOOK_DELIVERY_H

#include <stdbool.h>
#include <stdio.h>

#include "boot_handler/state/event_query.h"
#include "boot_handler/state/hook.h"

#define DELIVERY_EVENTS_MAX 100
#define DELIVERY_BYTES ((size_t)64 * 1024)

/* Those that were looked at, in the order of their ids. */
struct delivery {
	char *events; /* JSON of them with commas between; NULL: none */
	size_t size;
	FILE *f;
	unsigned count;
	bool full;      /* nothing more is taken */
	uint64_t first; /* of those in it */
	uint64_t last;  /* that was looked at */
	uint64_t holes; /* ids that were not there */
	const struct event_query *query;
};

/* After that event; `query` is borrowed until delivery_end(). False: out of memory. */
bool delivery_begin(struct delivery *d, uint64_t after, const struct event_query *query);
/* The next that there is. */
void delivery_look(struct delivery *d, const struct event *event);
bool delivery_end(struct delivery *d);
void delivery_clear(struct delivery *d);

/* How many bytes of a signature there are, as text with its NUL. */
#define DELIVERY_SIGNATURE_SIZE 65
#define DELIVERY_NAME_SIZE 72

/* "3-17-20": the webhook's number, and from which event to which; of a test its time. */
void delivery_name(const struct delivery *d, const struct hook *hook, bool test, int64_t now_ms,
    char out[DELIVERY_NAME_SIZE]);
/* The body; the caller frees it, NULL without memory. */
char *delivery_body(
    const struct delivery *d, const struct hook *hook, bool test, int64_t now_ms, size_t *len);
void delivery_sign(
    const char *secret, const char *body, size_t len, char out[DELIVERY_SIGNATURE_SIZE]);

#endif
