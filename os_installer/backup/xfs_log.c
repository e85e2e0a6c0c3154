#include "os_installer/backup/xfs_log.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define RECORD_MAGIC 0xfeedbabeU
#define CYCLE_BYTES (32U << 10) /* of a record, for each block of its header */
#define LOOK_BACK 2048U         /* blocks: the longest record and what it is padded to */
#define UNMOUNTED 0x20U

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static int block_read(const struct used_source *s, const struct xfs_log *log, uint64_t block,
    uint8_t out[XFS_LOG_BLOCK_BYTES], struct err *e)
{
	uint64_t at = log->at + block % log->blocks * XFS_LOG_BLOCK_BYTES;

	return s->read(s->ctx, at, out, XFS_LOG_BLOCK_BYTES, e);
}

/* How often the log had been filled when that block was written. */
static int cycle_of(const struct used_source *s, const struct xfs_log *log, uint64_t block,
    uint32_t *cycle, struct err *e)
{
	uint8_t b[XFS_LOG_BLOCK_BYTES];
	int r = block_read(s, log, block, b, e);

	if (r == 0)
		*cycle = u32(b) == RECORD_MAGIC ? u32(b + 4) : u32(b);
	return r;
}

/* The block behind the last one that was written: where an older cycle begins. */
static int find_head(
    const struct used_source *s, const struct xfs_log *log, uint64_t *head, struct err *e)
{
	uint64_t low = 0, high = log->blocks - 1;
	uint32_t first, last, cycle = 0;
	int r;

	if ((r = cycle_of(s, log, 0, &first, e)) < 0 || (r = cycle_of(s, log, high, &last, e)) < 0)
		return r;
	*head = log->blocks;
	if (first == last)
		return 0;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		if ((r = cycle_of(s, log, middle, &cycle, e)) < 0)
			return r;
		if (cycle == first)
			low = middle;
		else
			high = middle;
	}
	*head = high;
	return 0;
}

/* Whether the record that begins at `block` says it, and nothing follows it. */
static int says_so(const struct used_source *s, const struct xfs_log *log, uint64_t block,
    const uint8_t *record, uint64_t head, struct err *e)
{
	uint32_t version = u32(record + 8), len = u32(record + 12), size = u32(record + 320);
	uint32_t headers =
	    (version & 2) && size > CYCLE_BYTES ? (size + CYCLE_BYTES - 1) / CYCLE_BYTES : 1;
	uint8_t b[XFS_LOG_BLOCK_BYTES];

	if (u32(record + 40) != 1 || headers > 64 ||
	    block + headers + (len + XFS_LOG_BLOCK_BYTES - 1) / XFS_LOG_BLOCK_BYTES != head)
		return 0;
	int r = block_read(s, log, block + headers, b, e);
	return r < 0 ? r : (b[9] & UNMOUNTED) != 0;
}

int xfs_log_is_clean(const struct used_source *s, const struct xfs_log *log, struct err *e)
{
	uint8_t b[XFS_LOG_BLOCK_BYTES];
	uint64_t head;
	int r;

	if (log->blocks < 16)
		return 0;
	if ((r = find_head(s, log, &head, e)) < 0)
		return r;
	/* Block 0 is not looked behind: what wraps around is taken for not unmounted. */
	for (uint64_t n = 1; n <= LOOK_BACK && n <= head; n++) {
		if ((r = block_read(s, log, head - n, b, e)) < 0)
			return r;
		if (u32(b) == RECORD_MAGIC)
			return says_so(s, log, head - n, b, head, e);
	}
	return 0;
}
