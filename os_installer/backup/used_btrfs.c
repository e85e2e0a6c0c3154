/* btrfs (btrfs.readthedocs.io, "On-disk format"): the chunks that the one device has been given
 * to, as the chunk tree has them; within a chunk every byte counts. All of one with more devices is
 * taken, of one whose chunks are striped, or whose log is to be replayed. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "os_installer/backup/used.h"

#define SUPER_AT (64U << 10)
#define SUPER_BYTES 4096U
#define ARRAY_AT 811U
#define ARRAY_BYTES 2048U
#define NODE_BYTES_MAX (64U << 10)
#define HEADER_BYTES 101U
#define ITEM_BYTES 25U
#define POINTER_BYTES 33U
#define KEY_BYTES 17U
#define CHUNK_BYTES 48U
#define STRIPE_BYTES 32U
#define CHUNK_ITEM 228
#define LEVELS_MAX 7
#define PROFILES 0x7f8U
#define PROFILE_DUP 0x20U
#define INCOMPAT_KNOWN (0xfffULL | 0x10000) /* up to no_holes and metadata_uuid; simple quotas */
#define SEEDING (1ULL << 32)
#define RUNS_MAX 65536U
#define TREE_BYTES_MAX (16U << 20) /* of nodes that are half empty, for so many chunks */
#define CHUNKS_MAX 64U             /* of the system, in the superblock */
#define CRC32C 0x82f63b78U         /* Castagnoli's polynomial (RFC 3720, B.4) */
#define START_BYTES (1U << 20)     /* never given away: the first superblock, and boot loaders */

struct chunk {
	uint64_t logical, len, physical;
};

struct key {
	uint64_t object;
	uint8_t type;
	uint64_t offset;
};

struct btrfs {
	struct key last; /* of the tree, so far */
	struct used_source source;
	uint64_t devid;
	uint32_t node_bytes;
	struct chunk system[CHUNKS_MAX];
	unsigned systems;
	struct used_run *run; /* its own until it is handed over */
	size_t runs;
	uint8_t *node; /* of each level */
};

struct list {
	struct used_source source;
	size_t count, at;
	struct used_run run[];
};

static uint32_t u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static int unsure(struct err *e, const char *why)
{
	err_set(e, 0, "%s", why);
	return USED_UNSURE;
}

static int broken(struct err *e)
{
	return unsure(e, "its tree of chunks cannot be relied on");
}

/* Of a few blocks: by half bytes, a larger table is not worth its room. */
static bool sum_is_right(const uint8_t *block, size_t len)
{
	uint32_t table[16], crc = ~0U;

	for (uint32_t i = 0; i < 16; i++) {
		table[i] = i;
		for (int bit = 0; bit < 4; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? CRC32C : 0);
	}
	for (size_t i = 32; i < len; i++) {
		crc ^= block[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc == u32(block);
}

/* ---- chunks -------------------------------------------------------------------------------- */

static bool add_run(struct btrfs *b, uint64_t at, uint64_t len)
{
	if (b->runs == RUNS_MAX || at > b->source.bytes || len > b->source.bytes - at)
		return false;
	b->run[b->runs++] = (struct used_run){at, len};
	return true;
}

/* One whose copies lie on this device whole. Returns its length in the array, 0: another one. */
static size_t take_chunk(struct btrfs *b, const uint8_t *c, size_t room, struct chunk *first)
{
	if (room < CHUNK_BYTES + STRIPE_BYTES)
		return 0;
	uint64_t len = u64(c), type = u64(c + 24);
	unsigned stripes = u16(c + 44);
	size_t bytes = CHUNK_BYTES + (size_t)stripes * STRIPE_BYTES;

	if (stripes == 0 || bytes > room || len == 0 ||
	    ((type & PROFILES) != 0 && (type & PROFILES) != PROFILE_DUP) ||
	    stripes != ((type & PROFILE_DUP) ? 2U : 1U))
		return 0;
	for (unsigned i = 0; i < stripes; i++) {
		const uint8_t *stripe = c + CHUNK_BYTES + (size_t)i * STRIPE_BYTES;
		if (u64(stripe) != b->devid || !add_run(b, u64(stripe + 8), len))
			return 0;
	}
	first->len = len;
	first->physical = u64(c + CHUNK_BYTES + 8);
	return bytes;
}

/* By these the tree itself is found. */
static bool take_system(struct btrfs *b, const uint8_t *super)
{
	const uint8_t *array = super + ARRAY_AT;
	size_t len = u32(super + 160), at = 0;

	if (len > ARRAY_BYTES)
		return false;
	while (at < len) {
		struct chunk *c = &b->system[b->systems];
		if (len - at < KEY_BYTES || array[at + 8] != CHUNK_ITEM || b->systems == CHUNKS_MAX)
			return false;
		c->logical = u64(array + at + 9);
		at += KEY_BYTES;
		size_t used = take_chunk(b, array + at, len - at, c);
		if (used == 0)
			return false;
		at += used;
		b->systems++;
	}
	b->runs = 0; /* they are in the tree again */
	return b->systems > 0;
}

/* 1: read and right. */
static int node_read(
    struct btrfs *b, uint64_t logical, unsigned level, uint8_t *node, struct err *e)
{
	for (unsigned i = 0; i < b->systems; i++) {
		const struct chunk *c = &b->system[i];
		if (logical < c->logical || logical - c->logical > c->len ||
		    c->len - (logical - c->logical) < b->node_bytes)
			continue;
		uint64_t at = c->physical + (logical - c->logical);
		if (at > b->source.bytes || b->source.bytes - at < b->node_bytes)
			return 0;
		int r = b->source.read(b->source.ctx, at, node, b->node_bytes, e);
		return r < 0 ? r
			     : sum_is_right(node, b->node_bytes) && u64(node + 48) == logical &&
				   node[100] == level;
	}
	return 0;
}

/* Keys ascend through the whole tree: who is led to a leaf again does not get past its first. */
static bool key_ascends(struct btrfs *b, const uint8_t *key)
{
	const struct key now = {u64(key), key[8], u64(key + 9)}, last = b->last;
	bool ascends = now.object != last.object ? now.object > last.object
		       : now.type != last.type   ? now.type > last.type
						 : now.offset > last.offset;

	b->last = now;
	return ascends;
}

static bool leaf_take(struct btrfs *b, const uint8_t *node)
{
	uint32_t items = u32(node + 96), room = b->node_bytes - HEADER_BYTES;

	if (items == 0 || items > room / ITEM_BYTES)
		return false;
	for (uint32_t i = 0; i < items; i++) {
		const uint8_t *item = node + HEADER_BYTES + (size_t)i * ITEM_BYTES;
		uint32_t at = u32(item + KEY_BYTES), len = u32(item + KEY_BYTES + 4);
		struct chunk ignored;
		if (!key_ascends(b, item))
			return false;
		if (item[8] != CHUNK_ITEM)
			continue;
		if (at > room || len > room - at ||
		    take_chunk(b, node + HEADER_BYTES + at, len, &ignored) == 0)
			return false;
	}
	return true;
}

/* Returns 1, 0 for what cannot be relied on, -errno. A hostile tree may lead to one node many
 * times, so they are counted: each has to be summed up. */
static int tree_take(
    struct btrfs *b, uint64_t logical, unsigned level, unsigned *nodes, struct err *e)
{
	uint8_t *node = b->node + (size_t)level * b->node_bytes;
	int r =
	    (*nodes)++ > TREE_BYTES_MAX / b->node_bytes ? 0 : node_read(b, logical, level, node, e);

	if (r <= 0)
		return r;
	if (level == 0)
		return leaf_take(b, node);
	uint32_t items = u32(node + 96);
	if (items > (b->node_bytes - HEADER_BYTES) / POINTER_BYTES)
		return 0;
	for (uint32_t i = 0; i < items && r == 1; i++)
		r = tree_take(b, u64(node + HEADER_BYTES + (size_t)i * POINTER_BYTES + KEY_BYTES),
		    level - 1, nodes, e);
	return r;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int judge(const struct used_source *s, const uint8_t *super, struct err *e)
{
	uint64_t incompat = u64(super + 188);
	uint32_t node_bytes = u32(super + 148);

	if (memcmp(super + 64, "_BHRfS_M", 8) != 0 || u64(super + 48) != SUPER_AT)
		return unsure(e, "its superblock is none");
	if (u16(super + 196) != 0 || !sum_is_right(super, SUPER_BYTES))
		return unsure(e, "its sums are of another kind, or wrong");
	if (u64(super + 136) != 1)
		return unsure(e, "it has more than one device");
	if (u64(super + 96) != 0)
		return unsure(e, "it was not unmounted: its log is to be replayed");
	if ((incompat & ~INCOMPAT_KNOWN) || (u64(super + 56) & SEEDING))
		return unsure(e, "it has features that are not known here");
	if (node_bytes < 4096 || node_bytes > NODE_BYTES_MAX || super[199] > LEVELS_MAX ||
	    u64(super + 209) > s->bytes)
		return unsure(e, "its superblock contradicts itself or what it lies on");
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct used_run *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Into one block, in order and without overlaps. */
static int hand_over(struct btrfs *b, void **state, struct err *e)
{
	static const uint64_t copies[] = {64ULL << 20, 256ULL << 30};
	int r;

	if (!add_run(b, 0, START_BYTES))
		return broken(e);
	for (size_t i = 0; i < sizeof(copies) / sizeof(*copies); i++)
		if (copies[i] + SUPER_BYTES <= b->source.bytes &&
		    !add_run(b, copies[i], SUPER_BYTES))
			return broken(e);
	qsort(b->run, b->runs, sizeof(*b->run), compare);
	r = used_state_new(
	    &b->source, sizeof(struct list), b->runs * sizeof(struct used_run), state, e);
	if (r < 0)
		return r;
	struct list *l = *state;
	for (size_t i = 0; i < b->runs; i++) {
		struct used_run *last = l->count ? &l->run[l->count - 1] : NULL;
		uint64_t end = b->run[i].at + b->run[i].len;
		if (!last || b->run[i].at > last->at + last->len)
			l->run[l->count++] = b->run[i];
		else if (end > last->at + last->len)
			last->len = end - last->at;
	}
	return 0;
}

static int take_all(struct btrfs *b, const uint8_t *super, void **state, struct err *e)
{
	unsigned nodes = 0;

	if (!take_system(b, super))
		return broken(e);
	int r = tree_take(b, u64(super + 88), super[199], &nodes, e);
	return r < 0 ? r : r == 0 || b->runs == 0 ? broken(e) : hand_over(b, state, e);
}

static int open_btrfs(const struct used_source *s, void **state, struct err *e)
{
	uint8_t super[SUPER_BYTES];
	int r;

	if (s->bytes < START_BYTES)
		return unsure(e, "it is too small");
	if ((r = s->read(s->ctx, SUPER_AT, super, sizeof(super), e)) < 0 ||
	    (r = judge(s, super, e)) != 0)
		return r;
	struct btrfs *b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(e, ENOMEM, "out of memory");
	b->source = *s;
	b->devid = u64(super + 201);
	b->node_bytes = u32(super + 148);
	b->run = calloc(RUNS_MAX, sizeof(*b->run));
	b->node = malloc((size_t)(super[199] + 1) * b->node_bytes);
	r = b->run && b->node ? take_all(b, super, state, e) : err_set(e, ENOMEM, "out of memory");
	free(b->run);
	free(b->node);
	free(b);
	return r;
}

static int next_btrfs(void *state, struct used_run *out, struct err *e)
{
	struct list *l = state;

	(void)e;
	if (l->at == l->count)
		return 0;
	*out = l->run[l->at++];
	return 1;
}

const struct used_kind used_btrfs = {{"btrfs"}, open_btrfs, next_btrfs};
