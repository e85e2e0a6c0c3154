/* curve.h - how many bytes of its image an installer had written when: as many points as a picture
 * needs, however long it takes. When there are CURVE_POINTS of them every other goes, and from then
 * on they are noted half as often. Pure.
 */
#ifndef BOOT_HANDLER_STATE_CURVE_H
#define BOOT_HANDLER_STATE_CURVE_H

#include <stddef.h>
#include <stdint.h>

#define CURVE_POINTS 120

struct curve_point {
	uint32_t after_ms; /* since the first */
	uint64_t bytes;
};

struct curve {
	int64_t begun_ms; /* since 1970; 0: there is no point yet */
	uint64_t total_bytes;
	uint32_t every_ms; /* no two points are nearer, but for the last */
	size_t count;
	struct curve_point points[CURVE_POINTS];
};

/* So many bytes at that time. Fewer than before: it has begun anew. */
void curve_add(struct curve *c, int64_t at_ms, uint64_t bytes, uint64_t total_bytes);

/* {"begun":"2026-01-31T12:00:00.000Z","total_bytes":N,"points":[[ms,bytes],...]}; malloc'ed, NULL
 * without memory. */
char *curve_text(const struct curve *c);

#endif
