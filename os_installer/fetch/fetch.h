/* fetch.h - downloads an archive in verified chunks.
 *
 * Each chunk's SHA-256 is checked before the chunk is handed over; the whole file's length and
 * SHA-256 at the end. A connection that drops, stalls or delivers a wrong chunk is taken up again
 * where the last good byte was (Range, If-Range; RFC 9110, 14 and 13.1.5), after a pause that grows
 * while nothing arrives, for as long as something does arrive at all. What was handed over is never
 * taken back: chunks are verified against the manifest, so it does not matter which copy of the
 * file they came from.
 *
 * A file that no manifest describes has no chunks (NULL; their number all the same) and perhaps no
 * SHA-256 (zeros): then of a copy that is another one meanwhile nothing more is taken.
 *
 * One thread; the consumer is reached through callbacks.
 */
#ifndef OS_INSTALLER_FETCH_FETCH_H
#define OS_INSTALLER_FETCH_FETCH_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/image/manifest.h"

struct fetch_sink {
	void *ctx;
	/* Gives an empty buffer of manifest->chunk_bytes, may block. */
	int (*take)(void *ctx, uint8_t **buffer, struct err *e);
	/* The buffer last taken now holds a verified chunk. */
	int (*give)(void *ctx, uint32_t len, struct err *e);
	/* Called about four times a second and at each chunk; `received` counts verified bytes and
	 * those of the current chunk. May be NULL. A negative answer ends the download. */
	int (*tick)(void *ctx, uint64_t received, struct err *e);
};

/* Zero means the default. */
struct fetch_options {
	unsigned stall_ms;    /* 15000: a connection without a byte for this long is given up */
	unsigned patience_ms; /* 900000: without any progress for this long the download fails */
	unsigned backoff_ms;  /* 250: first pause; doubles up to 32 times that */
};

struct fetch_stats {
	unsigned retries;
	uint64_t wasted_bytes; /* received and thrown away */
};

/* Downloads the whole file. Returns 0; or -errno: -EBADMSG when the server's file is not the one
 * the manifest describes, -ETIMEDOUT when nothing arrived for too long, what a callback returned.
 */
must_check int fetch_chunks(const char *url, const struct image_contents *m,
    const struct fetch_sink *sink, const struct fetch_options *options, struct fetch_stats *stats,
    struct err *e);

#endif
