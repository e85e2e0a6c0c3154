#include "os_installer/trial/reading.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define PIECE_BYTES (1U << 20)
#define SMALL_BYTES 4096U

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Eight to each power of two. */
static unsigned bucket_of(uint64_t us)
{
	unsigned top = us ? 63 - (unsigned)__builtin_clzll(us) : 0;
	unsigned n = top < 3 ? (unsigned)us : (top - 2) * 8 + (unsigned)(us >> (top - 3) & 7);

	return n < READING_BUCKETS ? n : READING_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned n)
{
	return n < 8 ? n : (uint64_t)(8 + n % 8 + 1) << (n / 8 - 1);
}

uint64_t reading_latency_us(const struct reading *r, unsigned per_mille)
{
	uint64_t wanted = (r->reads * per_mille + 999) / 1000, seen = 0;

	for (unsigned n = 0; n < READING_BUCKETS; n++)
		if ((seen += r->bucket[n]) >= wanted)
			return bucket_end(n) < r->max_us ? bucket_end(n) : r->max_us;
	return r->max_us;
}

double reading_mb_per_s(const struct reading *r)
{
	int64_t ms = r->ended_ms - r->began_ms;

	return (double)r->bytes / 1000 / (double)(ms > 0 ? ms : 1);
}

/* A piece that failed, in small ones: which of them it is. */
static int read_small(int fd, void *buf, uint64_t len, struct reading *r, struct err *e)
{
	for (uint64_t done = 0; done < len; done += SMALL_BYTES) {
		uint64_t left = len - done;
		ssize_t n =
		    pread(fd, buf, left < SMALL_BYTES ? left : SMALL_BYTES, (off_t)(r->at + done));
		if (n > 0) {
			r->bytes += (uint64_t)n;
			continue;
		}
		if (r->errors < READING_PLACES_MAX)
			r->place[r->errors] = r->at + done;
		if (++r->errors == READING_ERRORS_MAX)
			return err_set(e, EIO,
			    "the disk is not read any further: %u places cannot be read",
			    READING_ERRORS_MAX);
	}
	return 0;
}

static int read_piece(int fd, void *buf, uint64_t len, struct reading *r, struct err *e)
{
	uint64_t began_us = now_us();
	ssize_t n = pread(fd, buf, len, (off_t)r->at);
	uint64_t us = now_us() - began_us;

	r->reads++;
	r->sum_us += us;
	r->max_us = us > r->max_us ? us : r->max_us;
	r->bucket[bucket_of(us)]++;
	if (n != (ssize_t)len) {
		int result = read_small(fd, buf, len, r, e);
		if (result < 0)
			return result;
	} else {
		r->bytes += len;
	}
	r->at += len;
	return 0;
}

static void look_at_second(struct reading *r, uint64_t *bytes, int64_t *since_ms)
{
	int64_t ms = r->ended_ms - *since_ms;

	if (ms < 1000)
		return;
	uint64_t rate = (r->bytes - *bytes) / 1000 / (uint64_t)ms;
	if (!r->slowest_mb_per_s || rate < r->slowest_mb_per_s)
		r->slowest_mb_per_s = rate;
	*bytes = r->bytes;
	*since_ms = r->ended_ms;
}

int reading_run(
    int fd, uint64_t size, reading_tick tick, void *ctx, struct reading *r, struct err *e)
{
	_cleanup_free_ void *buf = aligned_alloc(SMALL_BYTES, PIECE_BYTES);
	uint64_t bytes = 0;
	int result = 0;

	memset(r, 0, sizeof(*r));
	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	int64_t since_ms = r->began_ms = r->ended_ms = monotonic_ms();
	while (result == 0 && r->at < size) {
		uint64_t left = size - r->at;
		result = read_piece(fd, buf, left < PIECE_BYTES ? left : PIECE_BYTES, r, e);
		r->ended_ms = monotonic_ms();
		look_at_second(r, &bytes, &since_ms);
		if (!tick(ctx, r))
			break;
	}
	return result;
}
