/* XFS (kernel.org, "XFS Algorithms & Data Structures"): each allocation group has its free extents
 * in a tree by their place. All of one whose log is to be replayed is taken (xfs_log.h), and of a
 * group whose tree does not add up to its count of free blocks. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "os_installer/backup/used.h"
#include "os_installer/backup/xfs_log.h"

#define BLOCK_BYTES_MAX (64U << 10)
#define DEPTH_MAX 9
#define GROUP_BYTES_MIN                                                                            \
	(16ULL << 20) /* mkfs.xfs makes no smaller ones, unless there is but one                   \
		       */
#define NONE 0xffffffffU
/* ftype, sparse inodes, meta_uuid, bigtime, nrext64, exchange range, parent pointers. */
#define INCOMPAT_KNOWN (0x1U | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80)

struct xfs {
	struct used_source source;
	uint32_t block_bytes, sector_bytes, group_blocks, groups;
	uint64_t blocks;
	bool crc;
	uint32_t group, group_size; /* that is told of; size 0: to be loaded */
	uint32_t at;                /* its first block that was not told of */
	uint32_t leaf;              /* NONE: the group has no more free extents */
	unsigned record;
	uint8_t block[]; /* the leaf */
};

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t u64(const uint8_t *p)
{
	return (uint64_t)u32(p) << 32 | u32(p + 4);
}

static int unsure(struct err *e, const char *why)
{
	err_set(e, 0, "%s", why);
	return USED_UNSURE;
}

/* ---- the superblock ------------------------------------------------------------------------ */

static bool read_shape(const uint8_t *s, uint64_t bytes, struct xfs *x, struct xfs_log *log)
{
	uint32_t block_log = s[120], group_log = s[124];

	x->block_bytes = u32(s + 4);
	x->blocks = u64(s + 8);
	x->group_blocks = u32(s + 84);
	x->groups = u32(s + 88);
	x->sector_bytes = u16(s + 102);
	x->crc = (u16(s + 100) & 0xf) == 5;
	if (memcmp(s, "XFSB", 4) != 0 || block_log < 9 || block_log > 16 || group_log > 31 ||
	    x->block_bytes != 1U << block_log || x->sector_bytes < 512 ||
	    x->sector_bytes > x->block_bytes || x->group_blocks < 16 || x->groups == 0 ||
	    x->group_blocks > 1ULL << group_log || x->blocks > bytes / x->block_bytes ||
	    x->blocks > (uint64_t)x->groups * x->group_blocks ||
	    x->blocks <= (uint64_t)(x->groups - 1) * x->group_blocks ||
	    (x->groups > 1 && (uint64_t)x->group_blocks * x->block_bytes < GROUP_BYTES_MIN))
		return false;
	uint64_t start = u64(s + 48), blocks = u32(s + 96);
	uint64_t group = start >> group_log, at = start & ((1ULL << group_log) - 1);
	uint64_t first = group * x->group_blocks + at;
	if (start == 0 || group >= x->groups || blocks == 0 || first + blocks > x->blocks)
		return false;
	log->at = first * x->block_bytes;
	log->blocks = blocks * x->block_bytes / XFS_LOG_BLOCK_BYTES;
	return true;
}

static int open_xfs(const struct used_source *s, void **state, struct err *e)
{
	uint8_t super[512];
	struct xfs shape = {.source = *s};
	struct xfs_log log = {0};
	int r;

	if (s->bytes < sizeof(super))
		return unsure(e, "it is too small");
	if ((r = s->read(s->ctx, 0, super, sizeof(super), e)) < 0)
		return r;
	if (!read_shape(super, s->bytes, &shape, &log))
		return unsure(e,
		    "its superblock contradicts itself or what it lies on, or its log is elsewhere");
	if (super[126] || (shape.crc && ((u32(super + 216) & ~INCOMPAT_KNOWN) || u32(super + 220))))
		return unsure(e, "it has features that are not known here, or is to be repaired");
	if ((r = xfs_log_is_clean(s, &log, e)) <= 0)
		return r < 0 ? r : unsure(e, "it was not unmounted: its log is to be replayed");
	r = used_state_new(s, sizeof(shape), BLOCK_BYTES_MAX, state, e);
	if (r == 0)
		memcpy(*state, &shape, sizeof(shape));
	return r;
}

/* ---- a group's tree ------------------------------------------------------------------------ */

/* Reads a block of it. False: it is none. */
static int read_node(struct xfs *x, uint32_t block, unsigned level, bool *good, struct err *e)
{
	uint64_t at = ((uint64_t)x->group * x->group_blocks + block) * x->block_bytes;

	*good = false;
	if (block == 0 || block >= x->group_size)
		return 0;
	int r = x->source.read(x->source.ctx, at, x->block, x->block_bytes, e);
	uint32_t header = x->crc ? 56 : 16, each = level ? 12 : 8;
	if (r == 0)
		*good = memcmp(x->block, x->crc ? "AB3B" : "ABTB", 4) == 0 &&
			u16(x->block + 4) == level && u16(x->block + 6) > 0 &&
			u16(x->block + 6) <= (x->block_bytes - header) / each;
	return r;
}

/* Down to the leaf with the lowest extents. */
static int first_leaf(struct xfs *x, uint32_t root, uint32_t levels, bool *good, struct err *e)
{
	uint32_t header = x->crc ? 56 : 16, most = (x->block_bytes - header) / 12;
	uint32_t block = root;

	*good = false;
	if (levels == 0 || levels > DEPTH_MAX)
		return 0;
	for (unsigned level = levels - 1;; level--) {
		int r = read_node(x, block, level, good, e);
		if (r < 0 || !*good)
			return r;
		if (level == 0)
			break;
		block = u32(x->block + header + most * 8);
	}
	x->leaf = block;
	x->record = 0;
	return 0;
}

/* The next free extent of the group: 1, 0 after the last, -EBADMSG for what makes no sense. */
static int next_free(struct xfs *x, uint32_t after, uint32_t *at, uint32_t *len, struct err *e)
{
	bool good;

	if (x->leaf == NONE)
		return 0;
	if (x->record == u16(x->block + 6)) {
		x->leaf = u32(x->block + 12);
		x->record = 0;
		if (x->leaf == NONE)
			return 0;
		int r = read_node(x, x->leaf, 0, &good, e);
		if (r < 0 || !good)
			return r < 0 ? r : err_set(e, EBADMSG, "a tree of free space is broken");
	}
	const uint8_t *record = x->block + (x->crc ? 56 : 16) + x->record++ * 8UL;
	*at = u32(record);
	*len = u32(record + 4);
	if (*len == 0 || *at < after || *at >= x->group_size || *len > x->group_size - *at)
		return err_set(e, EBADMSG, "a tree of free space is broken");
	return 1;
}

/* An empty tree is one leaf without records. */
static int add_up(struct xfs *x, uint64_t *sum, struct err *e)
{
	uint32_t at, len, after = 0;
	int r;

	*sum = 0;
	while ((r = next_free(x, after, &at, &len, e)) == 1) {
		*sum += len;
		after = at + len;
	}
	return r;
}

/* Goes through the tree once, then stands at its beginning, or at the end of one not to trust. */
static int load(struct xfs *x, struct err *e)
{
	uint64_t start = (uint64_t)x->group * x->group_blocks, sum = 0;
	uint64_t left = x->blocks - start;
	struct err ignored = ERR_INIT;
	uint8_t f[64];
	bool good = false;

	x->group_size = left < x->group_blocks ? (uint32_t)left : x->group_blocks;
	x->at = 0;
	x->leaf = NONE;
	int r = x->source.read(
	    x->source.ctx, start * x->block_bytes + x->sector_bytes, f, sizeof(f), e);
	if (r < 0 || memcmp(f, "XAGF", 4) != 0 || u32(f + 8) != x->group ||
	    u32(f + 12) != x->group_size)
		return r;
	if ((r = first_leaf(x, u32(f + 16), u32(f + 28), &good, e)) < 0)
		return r;
	if (!good || add_up(x, &sum, &ignored) < 0 || sum != u32(f + 52)) {
		x->leaf = NONE;
		return 0;
	}
	return first_leaf(x, u32(f + 16), u32(f + 28), &good, e);
}

static int next_xfs(void *state, struct used_run *out, struct err *e)
{
	struct xfs *x = state;

	for (; x->group < x->groups; x->group++, x->group_size = 0) {
		int r = x->group_size ? 0 : load(x, e);
		while (r == 0 && x->at < x->group_size) {
			uint32_t from = x->at, end = x->group_size, len = 0;
			r = next_free(x, from, &end, &len, e);
			if (r < 0)
				return r;
			x->at = end + len;
			r = 0;
			if (end == from)
				continue;
			uint64_t start = (uint64_t)x->group * x->group_blocks;
			out->at = (start + from) * x->block_bytes;
			out->len = (uint64_t)(end - from) * x->block_bytes;
			return 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

const struct used_kind used_xfs = {{"xfs"}, open_xfs, next_xfs};
