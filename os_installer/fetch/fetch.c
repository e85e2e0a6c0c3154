#include "os_installer/fetch/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "os_installer/fetch/digest.h"
#include "os_installer/fetch/http.h"
#include "os_installer/fetch/patience.h"

#define STALL_MS 15000
#define TICK_MS 250
#define PATIENCE_MS (PATIENCE_S * 1000)
#define BACKOFF_MS 250
#define BACKOFF_DOUBLINGS 5
#define CHUNK_TRIES 20 /* a chunk that is wrong in ever different ways: a bad line */
#define REFUSALS_MAX 5 /* "not found" and the like: the server may be starting */
#define RECEIVE_BUFFER (512L << 10)

/* Why a transfer was ended by us; what follows depends on it. */
enum verdict {
	GO_ON,
	AGAIN, /* ask again from the current position */
	FATAL, /* f->e says why */
};

struct fetch {
	const char *url;
	const struct image_contents *m;
	const struct fetch_sink *sink;
	struct fetch_stats *stats;
	struct err *e;
	unsigned stall_ms;

	/* Position: whole chunks given, and bytes of the current one. */
	size_t chunk;
	uint32_t filled;
	uint8_t *buffer; /* NULL: none taken */
	struct digest_state chunk_digest;
	struct digest_state whole_digest;

	/* The current chunk's history. */
	unsigned bad_count;
	struct digest bad_digest;

	/* The server's file. */
	char etag[128];

	/* The current transfer. */
	bool head_done;
	long status;
	uint64_t skip; /* bytes before our position that a 200 answer repeats */
	uint64_t range_start;
	char new_etag[128];
	enum verdict verdict;
	char why[160];
	int64_t last_data_ms;
	int64_t last_tick_ms;

	unsigned refusals;
	int64_t last_progress_ms;
};

static uint64_t position(const struct fetch *f)
{
	uint64_t whole = (uint64_t)f->chunk * f->m->chunk_bytes;

	/* The last chunk may be shorter. */
	return f->chunk == f->m->chunk_count ? f->m->size_bytes : whole + f->filled;
}

static void again(struct fetch *f, const char *why)
{
	f->verdict = AGAIN;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static int tick(struct fetch *f)
{
	f->last_tick_ms = monotonic_ms();
	if (!f->sink->tick)
		return 0;
	int r = f->sink->tick(f->sink->ctx, position(f), f->e);
	if (r < 0)
		f->verdict = FATAL;
	return r;
}

/* ---- chunks ------------------------------------------------------------------------------------
 */

static void chunk_restart(struct fetch *f)
{
	f->stats->wasted_bytes += f->filled;
	f->filled = 0;
	digest_init(&f->chunk_digest);
}

/* The same wrong bytes twice are what the server's file holds; different ones are a bad line. */
static void chunk_wrong(struct fetch *f, const struct digest *got)
{
	bool same = f->bad_count > 0 && digest_equal(got, &f->bad_digest);

	f->bad_digest = *got;
	f->bad_count++;
	chunk_restart(f);
	if (same || f->bad_count >= CHUNK_TRIES) {
		f->verdict = FATAL;
		err_set(f->e, EBADMSG,
		    "%s does not match its manifest: bytes %" PRIu64 " to %" PRIu64
		    " have the wrong SHA-256",
		    f->url, (uint64_t)f->chunk * f->m->chunk_bytes,
		    (uint64_t)f->chunk * f->m->chunk_bytes + image_chunk_length(f->m, f->chunk) -
			1);
		return;
	}
	again(f, "a chunk arrived with the wrong SHA-256");
}

static void chunk_done(struct fetch *f)
{
	uint32_t len = f->filled;
	struct digest got;

	digest_final(&f->chunk_digest, &got);
	if (f->m->chunks && !digest_equal(&got, &f->m->chunks[f->chunk])) {
		chunk_wrong(f, &got);
		return;
	}
	digest_update(&f->whole_digest, f->buffer, len);
	if (f->sink->give(f->sink->ctx, len, f->e) < 0) {
		f->verdict = FATAL;
		return;
	}
	f->buffer = NULL;
	f->bad_count = 0;
	f->refusals = 0;
	f->chunk++;
	f->filled = 0;
	digest_init(&f->chunk_digest);
	tick(f);
}

static void bytes_take(struct fetch *f, const uint8_t *data, size_t len)
{
	while (len > 0 && f->verdict == GO_ON) {
		if (f->chunk == f->m->chunk_count) {
			f->verdict = FATAL;
			err_set(f->e, EBADMSG,
			    "%s is longer than the %" PRIu64 " bytes its manifest says", f->url,
			    f->m->size_bytes);
			return;
		}
		if (!f->buffer && f->sink->take(f->sink->ctx, &f->buffer, f->e) < 0) {
			f->verdict = FATAL;
			return;
		}
		uint32_t want = image_chunk_length(f->m, f->chunk) - f->filled;
		size_t n = len < want ? len : want;
		memcpy(f->buffer + f->filled, data, n);
		digest_update(&f->chunk_digest, data, n);
		f->filled += (uint32_t)n;
		data += n;
		len -= n;
		if (n == want)
			chunk_done(f);
	}
}

/* ---- one transfer ------------------------------------------------------------------------------
 */

static void header_text(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0)
		return;
	line += n;
	len -= n;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (unsigned char)line[len - 1] <= ' ')
		len--;
	snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), line);
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct fetch *f = ctx;
	size_t len = size * count;
	char range[80] = "";

	if (len > 5 && strncmp(data, "HTTP/", 5) == 0)
		f->new_etag[0] = '\0';
	header_text(data, len, "etag:", f->new_etag, sizeof(f->new_etag));
	header_text(data, len, "content-range:", range, sizeof(range));
	if (range[0]) {
		uint64_t total = 0;
		if (sscanf(range, "bytes %" SCNu64 "-%*u/%" SCNu64, &f->range_start, &total) == 2 &&
		    total != f->m->size_bytes) {
			f->verdict = FATAL;
			err_set(f->e, EBADMSG,
			    "%s has %" PRIu64 " bytes where its manifest says %" PRIu64, f->url,
			    total, f->m->size_bytes);
		}
	}
	return f->verdict == GO_ON ? len : 0;
}

static void refused(struct fetch *f)
{
	char why[sizeof(f->why)];

	snprintf(why, sizeof(why), "the server answered %ld", f->status);
	if (!patience_is_for(f->status) && ++f->refusals >= REFUSALS_MAX) {
		f->verdict = FATAL;
		err_set(f->e, f->status == 404 ? ENOENT : EPROTO, "%s: %s", f->url, why);
		return;
	}
	again(f, why);
}

/* Decides what to do with an answer once its head is complete. */
static void head_judge(struct fetch *f, CURL *c)
{
	uint64_t want = position(f);

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &f->status);
	f->head_done = true;
	if (f->status == 206 && f->range_start != want) {
		again(f, "the server sent another range than asked for");
	} else if (f->status == 200 && want > 0 && strcmp(f->etag, f->new_etag) != 0 &&
		   !f->m->chunks) {
		f->verdict = FATAL;
		err_set(f->e, EBADMSG, "%s became another file while it was fetched", f->url);
	} else if (f->status == 200 && want > 0 && strcmp(f->etag, f->new_etag) != 0) {
		/* Another file now. What was given stays good; the rest comes from the new one. */
		chunk_restart(f);
		again(f, "the file changed on the server");
	} else if (f->status == 200) {
		curl_off_t length = -1;
		curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		f->skip = want;
		if (length >= 0 && (uint64_t)length != f->m->size_bytes) {
			f->verdict = FATAL;
			err_set(f->e, EBADMSG,
			    "%s has %" PRIu64 " bytes where its manifest says %" PRIu64, f->url,
			    (uint64_t)length, f->m->size_bytes);
		}
	} else if (f->status != 206) {
		refused(f);
	}
	strcpy(f->etag, f->new_etag);
}

struct transfer {
	struct fetch *f;
	CURL *c;
};

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	struct fetch *f = t->f;
	size_t len = size * count, all = len;

	if (!f->head_done)
		head_judge(f, t->c);
	if (f->verdict != GO_ON)
		return 0;
	if (f->skip > 0) {
		size_t n = len < f->skip ? len : (size_t)f->skip;
		f->skip -= n;
		f->stats->wasted_bytes += n;
		data += n;
		len -= n;
	}
	bytes_take(f, (const uint8_t *)data, len);
	/* After bytes_take(), which may have waited for the disk. */
	f->last_data_ms = f->last_progress_ms = monotonic_ms();
	return f->verdict == GO_ON ? all : 0;
}

static int on_time(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct transfer *t = ctx;
	struct fetch *f = t->f;
	int64_t now = monotonic_ms();

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	if (now - f->last_data_ms > f->stall_ms)
		again(f, "the transfer stalled");
	else if (now - f->last_tick_ms >= TICK_MS)
		tick(f);
	return f->verdict == GO_ON ? 0 : 1;
}

/* One request for everything from the current position on. */
static void transfer_run(struct fetch *f, CURL *c)
{
	struct transfer t = {.f = f, .c = c};
	struct curl_slist *headers = NULL;
	char text[200];

	f->head_done = false;
	f->skip = f->range_start = 0;
	f->verdict = GO_ON;
	f->new_etag[0] = f->why[0] = '\0';
	f->last_data_ms = monotonic_ms();
	curl_easy_setopt(c, CURLOPT_RANGE, NULL);
	if (position(f) > 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "-", position(f));
		curl_easy_setopt(c, CURLOPT_RANGE, text);
		/* Weak tags do not promise equal bytes; the chunk digests do anyway. */
		if (f->etag[0] == '"') {
			char line[sizeof(f->etag) + 16];
			snprintf(line, sizeof(line), "If-Range: %s", f->etag);
			headers = curl_slist_append(headers, line);
		}
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, &t);
	CURLcode code = curl_easy_perform(c);
	if (f->verdict == GO_ON && !f->head_done && code == CURLE_OK)
		head_judge(f, c); /* an answer without a body */
	if (f->verdict == GO_ON && f->chunk < f->m->chunk_count)
		again(f, code == CURLE_OK ? "the answer was too short" : http_problem(code));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void pause_ms(struct fetch *f, unsigned ms)
{
	while (ms > 0 && f->verdict != FATAL) {
		unsigned part = ms < TICK_MS ? ms : TICK_MS;
		sleep_ms(part);
		ms -= part;
		if (monotonic_ms() - f->last_tick_ms >= TICK_MS)
			tick(f);
	}
}

static int whole_check(struct fetch *f)
{
	char hex[2 * DIGEST_BYTES + 1];
	struct digest got;

	digest_final(&f->whole_digest, &got);
	if (digest_equal(&got, &f->m->sha256) ||
	    (!f->m->chunks && bytes_are_zero(f->m->sha256.byte, DIGEST_BYTES)))
		return 0;
	if (!f->m->chunks)
		return err_set(f->e, EBADMSG,
		    "%s has the SHA-256 %s, and not the one that was told", f->url,
		    hex_encode(got.byte, DIGEST_BYTES, hex));
	return err_set(f->e, EBADMSG,
	    "the manifest of %s contradicts itself: every chunk has the right SHA-256, the whole file does not",
	    f->url);
}

static int fetch_run(struct fetch *f, CURL *c, unsigned patience_ms, unsigned backoff_ms)
{
	unsigned doublings = 0;

	f->last_progress_ms = monotonic_ms();
	while (f->chunk < f->m->chunk_count) {
		uint64_t before = position(f);
		transfer_run(f, c);
		if (f->verdict == FATAL)
			return -f->e->code;
		if (f->chunk == f->m->chunk_count)
			break;
		f->stats->retries++;
		if (monotonic_ms() - f->last_progress_ms > patience_ms)
			return err_set(f->e, ETIMEDOUT, "%s: nothing arrived for %u s: %s", f->url,
			    patience_ms / 1000, f->why);
		if (position(f) > before)
			doublings = 0;
		unsigned wait = backoff_ms << doublings;
		if (doublings < BACKOFF_DOUBLINGS)
			doublings++;
		log_warn(
		    "%s, resuming position=%" PRIu64 " retry_ms=%u", f->why, position(f), wait);
		pause_ms(f, wait);
		if (f->verdict == FATAL)
			return -f->e->code;
	}
	return whole_check(f);
}

int fetch_chunks(const char *url, const struct image_contents *m, const struct fetch_sink *sink,
    const struct fetch_options *options, struct fetch_stats *stats, struct err *e)
{
	struct err local_err;
	struct fetch_stats local_stats;
	struct fetch f = {.url = url, .m = m, .sink = sink};

	f.e = e ? e : &local_err;
	f.stats = stats ? stats : &local_stats;
	*f.stats = (struct fetch_stats){0};
	f.stall_ms = options && options->stall_ms ? options->stall_ms : STALL_MS;
	digest_init(&f.chunk_digest);
	digest_init(&f.whole_digest);
	CURL *c = http_handle_new(url);
	if (!c)
		return err_set(f.e, ENOMEM, "out of memory");
	if (!m->chunks)
		http_follow(c); /* it is on somebody else's server */
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_time);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	int r =
	    fetch_run(&f, c, options && options->patience_ms ? options->patience_ms : PATIENCE_MS,
		options && options->backoff_ms ? options->backoff_ms : BACKOFF_MS);
	curl_easy_cleanup(c);
	return r;
}
