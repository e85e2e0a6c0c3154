/* ext2, ext3 and ext4 (kernel, Documentation/filesystems/ext4): a bitmap for each group of blocks.
 * One whose journal is to be replayed has newer bitmaps in there, so all of it is taken; so is a
 * group whose bitmap does not agree with its count of free blocks. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "os_installer/backup/used.h"

#define SUPER_AT 1024
#define SUPER_BYTES 1024
#define MAGIC 0xef53
#define STATE_VALID 1
#define STATE_ERRORS 2

/* filetype, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir, inline_data, encrypt,
 * casefold; not among them: recover, journal_dev, meta_bg. */
#define INCOMPAT_KNOWN                                                                             \
	(0x2U | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000)
#define INCOMPAT_RECOVER 0x4U
#define INCOMPAT_64BIT 0x80U
#define COMPAT_SPARSE_SUPER2 0x200U
#define RO_COMPAT_SPARSE_SUPER 1U
#define RO_COMPAT_BIGALLOC 0x200U
#define RO_COMPAT_CHECKED (0x10U | 0x400) /* gdt_csum, metadata_csum: groups may be left unmade */
#define GROUP_BLOCKS_UNMADE 2U
#define PER_GROUP_MIN 256U /* mke2fs makes no smaller ones */

struct ext4 {
	struct used_source source;
	uint64_t blocks, groups;
	uint32_t block_bytes, first, per_group, group_desc_bytes, inode_table_blocks;
	uint32_t base_blocks; /* of a group that has a superblock: it and the descriptors */
	bool wide, unmade, sparse, sparse2;
	uint32_t backups[2]; /* sparse2: the groups that have one, besides the first */
	bool told_start;
	uint64_t group;     /* that is loaded, or to be */
	uint32_t bit, bits; /* bits == 0: to be loaded */
	uint8_t map[];      /* a block */
};

static uint16_t u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static int unsure(struct err *e, const char *why)
{
	err_set(e, 0, "%s", why);
	return USED_UNSURE;
}

/* ---- the superblock ------------------------------------------------------------------------ */

static int judge_state(const uint8_t *s, struct err *e)
{
	uint32_t incompat = u32(s + 0x60);

	if (u16(s + 0x38) != MAGIC)
		return unsure(e, "its superblock is none");
	if (incompat & INCOMPAT_RECOVER)
		return unsure(e, "it was not unmounted: its journal is to be replayed");
	if (!(u16(s + 0x3a) & STATE_VALID) || (u16(s + 0x3a) & STATE_ERRORS))
		return unsure(e, "it was not unmounted, or has errors");
	if ((incompat & ~INCOMPAT_KNOWN) || (u32(s + 0x64) & RO_COMPAT_BIGALLOC))
		return unsure(e, "it has features that are not known here");
	return 0;
}

static bool read_shape(const uint8_t *s, uint64_t bytes, struct ext4 *x)
{
	uint32_t log = u32(s + 0x18), incompat = u32(s + 0x60);

	if (log > 6)
		return false;
	x->block_bytes = 1024U << log;
	x->wide = (incompat & INCOMPAT_64BIT) != 0;
	x->blocks = u32(s + 0x4) | (x->wide ? (uint64_t)u32(s + 0x150) << 32 : 0);
	x->first = u32(s + 0x14);
	x->per_group = u32(s + 0x20);
	x->group_desc_bytes = x->wide ? u16(s + 0xfe) : 32;
	x->unmade = (u32(s + 0x64) & RO_COMPAT_CHECKED) != 0;
	x->sparse = (u32(s + 0x64) & RO_COMPAT_SPARSE_SUPER) != 0;
	x->sparse2 = (u32(s + 0x5c) & COMPAT_SPARSE_SUPER2) != 0;
	x->backups[0] = u32(s + 0x24c);
	x->backups[1] = u32(s + 0x250);
	uint32_t inodes = u32(s + 0x28), inode_bytes = u32(s + 0x4c) ? u16(s + 0x58) : 128;
	if (x->first != (log == 0) || x->per_group < PER_GROUP_MIN ||
	    x->per_group > x->block_bytes * 8 || x->blocks <= x->first ||
	    x->blocks > bytes / x->block_bytes || x->group_desc_bytes < (x->wide ? 64U : 32U) ||
	    x->group_desc_bytes > x->block_bytes || inode_bytes < 128 ||
	    inode_bytes > x->block_bytes || inodes > x->block_bytes * 8)
		return false;
	x->inode_table_blocks =
	    (uint32_t)(((uint64_t)inodes * inode_bytes + x->block_bytes - 1) / x->block_bytes);
	x->groups = (x->blocks - x->first + x->per_group - 1) / x->per_group;
	uint64_t descriptors =
	    (x->groups * x->group_desc_bytes + x->block_bytes - 1) / x->block_bytes;
	uint64_t base = 1 + descriptors + u16(s + 0xce);
	x->base_blocks = base < x->per_group ? (uint32_t)base : x->per_group;
	return true;
}

static int open_ext4(const struct used_source *s, void **state, struct err *e)
{
	uint8_t super[SUPER_BYTES];
	struct ext4 shape = {.source = *s};
	int r;

	if (s->bytes < SUPER_AT + SUPER_BYTES)
		return unsure(e, "it is too small");
	if ((r = s->read(s->ctx, SUPER_AT, super, sizeof(super), e)) < 0 ||
	    (r = judge_state(super, e)) != 0)
		return r;
	if (!read_shape(super, s->bytes, &shape))
		return unsure(e, "its superblock contradicts itself or what it lies on");
	r = used_state_new(s, sizeof(shape), shape.block_bytes, state, e);
	if (r == 0)
		memcpy(*state, &shape, sizeof(shape));
	return r;
}

/* ---- groups -------------------------------------------------------------------------------- */

static uint64_t first_of(const struct ext4 *x, uint64_t group)
{
	return x->first + group * x->per_group;
}

/* Those of the blocks [at, at + count) that are in this group. */
static void mark(struct ext4 *x, uint64_t at, uint64_t count)
{
	uint64_t start = first_of(x, x->group), end = start + x->bits;

	if (at >= end || at + count <= start)
		return;
	for (uint64_t b = at > start ? at : start; b < at + count && b < end; b++)
		x->map[(b - start) / 8] |= (uint8_t)(1U << (b - start) % 8);
}

static uint32_t free_in_map(const struct ext4 *x)
{
	uint32_t used = 0, i;

	for (i = 0; i + 8 <= x->bits; i += 8)
		used += (uint32_t)__builtin_popcount(x->map[i / 8]);
	for (; i < x->bits; i++)
		used += x->map[i / 8] >> i % 8 & 1;
	return x->bits - used;
}

static bool is_power_of(uint64_t n, unsigned base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

/* As the kernel's ext4_bg_has_super(). */
static bool has_super(const struct ext4 *x, uint64_t group)
{
	if (group == 0)
		return true;
	if (x->sparse2)
		return group == x->backups[0] || group == x->backups[1];
	return !x->sparse || group == 1 || is_power_of(group, 3) || is_power_of(group, 5) ||
	       is_power_of(group, 7);
}

static uint64_t place(const struct ext4 *x, const uint8_t *d, size_t low, size_t high)
{
	return u32(d + low) | (x->wide ? (uint64_t)u32(d + high) << 32 : 0);
}

static int load(struct ext4 *x, struct err *e)
{
	uint64_t at = (uint64_t)(x->first + 1) * x->block_bytes + x->group * x->group_desc_bytes;
	uint64_t left = x->blocks - first_of(x, x->group);
	uint8_t d[64] = {0};
	int r = x->source.read(x->source.ctx, at, d, x->wide ? 64 : 32, e);

	if (r < 0)
		return r;
	x->bit = 0;
	x->bits = left < x->per_group ? (uint32_t)left : x->per_group;
	uint64_t bitmap = place(x, d, 0, 0x20);
	uint32_t unused = u16(d + 0xc) | (x->wide ? (uint32_t)u16(d + 0x2c) << 16 : 0);
	if (x->unmade && (u16(d + 0x12) & GROUP_BLOCKS_UNMADE)) {
		memset(x->map, 0, x->block_bytes);
		mark(x, first_of(x, x->group), has_super(x, x->group) ? x->base_blocks : 0);
		mark(x, bitmap, 1);
		mark(x, place(x, d, 4, 0x24), 1);
		mark(x, place(x, d, 8, 0x28), x->inode_table_blocks);
		return 0;
	}
	if (bitmap > x->first && bitmap < x->blocks) {
		r = x->source.read(
		    x->source.ctx, bitmap * x->block_bytes, x->map, x->block_bytes, e);
		if (r < 0 || free_in_map(x) == unused)
			return r;
	}
	memset(x->map, 0xff, x->block_bytes);
	return 0;
}

/* The first bit from `from` on that is `set`, or the end. */
static uint32_t find(const struct ext4 *x, uint32_t from, bool set)
{
	uint8_t skip = set ? 0 : 0xff;

	while (from < x->bits && (x->map[from / 8] >> from % 8 & 1) != set)
		from = from % 8 == 0 && x->map[from / 8] == skip ? from + 8 : from + 1;
	return from < x->bits ? from : x->bits;
}

static int next_ext4(void *state, struct used_run *out, struct err *e)
{
	struct ext4 *x = state;

	if (!x->told_start && x->first > 0) {
		x->told_start = true;
		*out = (struct used_run){0, (uint64_t)x->first * x->block_bytes};
		return 1;
	}
	for (; x->group < x->groups; x->group++, x->bits = 0) {
		int r = x->bits ? 0 : load(x, e);
		if (r < 0)
			return r;
		uint32_t from = find(x, x->bit, true);
		if (from == x->bits)
			continue;
		x->bit = find(x, from, false);
		out->at = (first_of(x, x->group) + from) * x->block_bytes;
		out->len = (uint64_t)(x->bit - from) * x->block_bytes;
		return 1;
	}
	return 0;
}

const struct used_kind used_ext4 = {{"ext4", "ext3", "ext2"}, open_ext4, next_ext4};
