#include "boot_handler/webhook/delivery.h"

#include <inttypes.h>
#include <jansson.h>
#include <nettle/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/events.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

bool delivery_begin(struct delivery *d, uint64_t after, const struct event_query *query)
{
	*d = (struct delivery){.last = after, .query = query};
	d->f = open_memstream(&d->events, &d->size);
	return d->f != NULL;
}

static void put(struct delivery *d, const struct event *event)
{
	json_t *json = event_json(event);
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text) { /* its turn comes again */
		d->full = true;
		return;
	}
	fprintf(d->f, "%s%s", d->count ? "," : "", text);
	if (d->count++ == 0)
		d->first = event->id;
}

void delivery_look(struct delivery *d, const struct event *event)
{
	if (d->full)
		return;
	if (event_query_fits(d->query, event)) {
		put(d, event);
		if (d->full)
			return;
	}
	d->holes += event->id - d->last - 1;
	d->last = event->id;
	d->full = d->count == DELIVERY_EVENTS_MAX || ftell(d->f) >= (long)DELIVERY_BYTES;
}

bool delivery_end(struct delivery *d)
{
	FILE *f = steal_ptr(d->f);

	return fclose(f) == 0 && d->events;
}

void delivery_clear(struct delivery *d)
{
	if (d->f)
		fclose(d->f);
	free(d->events);
	*d = (struct delivery){.first = 0};
}

void delivery_name(const struct delivery *d, const struct hook *hook, bool test, int64_t now_ms,
    char out[DELIVERY_NAME_SIZE])
{
	if (test)
		snprintf(out, DELIVERY_NAME_SIZE, "%" PRId64 "-test-%" PRId64, hook->id, now_ms);
	else
		snprintf(out, DELIVERY_NAME_SIZE, "%" PRId64 "-%" PRIu64 "-%" PRIu64, hook->id,
		    (uint64_t)hook->cursor + 1, d->last);
}

char *delivery_body(
    const struct delivery *d, const struct hook *hook, bool test, int64_t now_ms, size_t *len)
{
	char name[DELIVERY_NAME_SIZE], sent[TIME_TEXT_SIZE], missed[40] = "", *text = NULL;

	delivery_name(d, hook, test, now_ms, name);
	if (d->holes > 0)
		snprintf(missed, sizeof(missed), ",\"missed\":%" PRIu64, d->holes);
	int n = asprintf(&text,
	    "{\"delivery\":\"%s\",\"webhook\":\"%s\",\"sent\":\"%s\"%s%s,\"events\":[%s],\"last\":%" PRIu64
	    "}",
	    name, hook->name, time_format(now_ms, sent), missed, test ? ",\"test\":true" : "",
	    d->events ? d->events : "", d->last);
	*len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? NULL : text;
}

void delivery_sign(
    const char *secret, const char *body, size_t len, char out[DELIVERY_SIGNATURE_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, len, (const uint8_t *)body);
	hmac_sha256_digest(&ctx, sizeof(digest), digest);
	hex_encode(digest, sizeof(digest), out);
}
