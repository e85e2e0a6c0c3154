#include "vmlab/simulate/histogram.h"

#define STEPS 32 /* buckets for each doubling */
#define STEPS_LOG2 5

static unsigned bucket_of(uint64_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 2 * STEPS)
		shift++;
	unsigned i = shift ? shift * STEPS + (unsigned)(us >> shift) : (unsigned)us;
	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

/* The greatest value that belongs there. */
static int64_t end_of(unsigned bucket)
{
	unsigned shift = bucket < 2 * STEPS ? 0 : (bucket >> STEPS_LOG2) - 1;

	return shift ? ((int64_t)(bucket - shift * STEPS + 1) << shift) - 1 : (int64_t)bucket;
}

void histogram_add(struct histogram *h, int64_t us)
{
	if (us < 0)
		us = 0;
	if (h->count == 0 || us < h->min_us)
		h->min_us = us;
	if (us > h->max_us)
		h->max_us = us;
	h->count++;
	h->bucket[bucket_of((uint64_t)us)]++;
}

int64_t histogram_at(const struct histogram *h, double share)
{
	double exact = share * (double)h->count;
	uint64_t wanted = (uint64_t)exact, seen = 0;

	wanted += (double)wanted < exact;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > 0 && seen >= wanted)
			return end_of(i) < h->max_us ? end_of(i) : h->max_us;
	}
	return h->max_us;
}
