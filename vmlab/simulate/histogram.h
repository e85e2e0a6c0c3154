/* histogram.h - how long things took, for percentiles, in memory that does not grow with their
 * number.
 *
 * Values are microseconds in buckets of which each is at most 1/32 wider than the one before; the
 * least and the greatest are kept as they are. Pure. One thread.
 */
#ifndef VMLAB_SIMULATE_HISTOGRAM_H
#define VMLAB_SIMULATE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 1184 /* up to 2^41 us, some 25 days; longer counts as that */

struct histogram {
	uint64_t count;
	int64_t min_us, max_us;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

/* Less than 0 counts as 0. A zeroed struct is an empty one. */
void histogram_add(struct histogram *h, int64_t us);

/* The value that `share` (0 to 1) of all do not exceed, rounded up by at most 1/32; 0 without any.
 */
int64_t histogram_at(const struct histogram *h, double share);

#endif
