/* reading.h - reads a disk from its beginning to its end, or for a time, and keeps how fast that
 * went and what could not be read. Writes nothing.
 */
#ifndef OS_INSTALLER_TRIAL_READING_H
#define OS_INSTALLER_TRIAL_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define READING_PLACES_MAX 16
#define READING_ERRORS_MAX 1000 /* then it is a dead disk */
#define READING_BUCKETS 256

struct reading {
	uint64_t bytes;                     /* that were read */
	uint64_t at;                        /* how far it got */
	uint64_t errors;                    /* pieces of 4 KiB that cannot be read */
	uint64_t place[READING_PLACES_MAX]; /* in bytes, the first of them */
	int64_t began_ms, ended_ms;
	uint64_t slowest_mb_per_s; /* of any second but the last; 0: it took no whole one */
	/* Of a read of 1 MiB. */
	uint64_t reads, sum_us, max_us;
	uint32_t bucket[READING_BUCKETS];
};

/* Called after each read; false: stop. */
typedef bool (*reading_tick)(void *ctx, const struct reading *r);

/* Reads `size` bytes of fd; what cannot be read is counted and passed over. -EIO after
 * READING_ERRORS_MAX. */
must_check int reading_run(
    int fd, uint64_t size, reading_tick tick, void *ctx, struct reading *r, struct err *e);

double reading_mb_per_s(const struct reading *r);

/* In which so many of a thousand reads ended, within an eighth. */
uint64_t reading_latency_us(const struct reading *r, unsigned per_mille);

#endif
