/* FAT16 and FAT32 (Microsoft's specification of 2000): what its first table says of each cluster.
 * All of one that was not unmounted is taken, and of FAT12, which cannot say so. As Linux and
 * mtools have it, a FAT32 of few clusters, which large sectors make, is one. */
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "os_installer/backup/used.h"

#define WINDOW_BYTES (64U << 10)
#define FAT16_FROM 4085U
#define FAT32_FROM 65525U
#define FAT32_MASK 0x0fffffffU

struct vfat {
	struct used_source source;
	uint64_t data_at, cluster_bytes, table_at;
	uint32_t clusters, entry_bytes;
	bool told_start;
	uint32_t cluster;     /* to be looked at, from 0 */
	uint32_t from, count; /* clusters whose entries are in the window */
	uint8_t window[];
};

static uint32_t number(const uint8_t *p, unsigned bytes)
{
	uint32_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return v;
}

static int unsure(struct err *e, const char *why)
{
	err_set(e, 0, "%s", why);
	return USED_UNSURE;
}

static bool is_power(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static bool read_shape(const uint8_t *b, uint64_t bytes, struct vfat *x)
{
	uint32_t sector = number(b + 11, 2), per_cluster = b[13], reserved = number(b + 14, 2);
	uint32_t tables = b[16], roots = number(b + 17, 2);
	uint64_t total = number(b + 19, 2) ? number(b + 19, 2) : number(b + 32, 4);
	uint64_t table = number(b + 22, 2) ? number(b + 22, 2) : number(b + 36, 4);

	if (!is_power(sector) || sector < 512 || sector > 4096 || !is_power(per_cluster) ||
	    reserved == 0 || tables == 0 || tables > 2 || table == 0 || b[510] != 0x55 ||
	    b[511] != 0xaa || total > bytes / sector)
		return false;
	uint64_t data = reserved + tables * table + (roots * 32ULL + sector - 1) / sector;
	if (data >= total || (total - data) / per_cluster > FAT32_MASK)
		return false;
	x->clusters = (uint32_t)((total - data) / per_cluster);
	x->entry_bytes = number(b + 22, 2) ? 2 : 4;
	x->table_at = (uint64_t)reserved * sector;
	x->data_at = data * sector;
	x->cluster_bytes = (uint64_t)per_cluster * sector;
	return (x->entry_bytes == 4 || x->clusters < FAT32_FROM) &&
	       (x->clusters + 2ULL) * x->entry_bytes <= table * sector;
}

/* Also one whose tables are not the same. */
static bool was_unmounted(const uint8_t *b, const struct vfat *x, const uint8_t *entry)
{
	if (x->entry_bytes == 2)
		return !(b[0x25] & 1) && (number(entry, 2) & 0x8000);
	return !(b[0x41] & 1) && (number(entry, 4) & 0x08000000) && !(number(b + 40, 2) & 0x80);
}

static int open_vfat(const struct used_source *s, void **state, struct err *e)
{
	uint8_t boot[512], entry[4];
	struct vfat shape = {.source = *s};
	int r;

	if (s->bytes < sizeof(boot))
		return unsure(e, "it is too small");
	if ((r = s->read(s->ctx, 0, boot, sizeof(boot), e)) < 0)
		return r;
	if (!read_shape(boot, s->bytes, &shape))
		return unsure(e, "its boot sector contradicts itself or what it lies on");
	if (shape.entry_bytes == 2 && shape.clusters < FAT16_FROM)
		return unsure(e, "FAT12 does not say whether it was unmounted");
	r = s->read(s->ctx, shape.table_at + shape.entry_bytes, entry, shape.entry_bytes, e);
	if (r < 0)
		return r;
	if (!was_unmounted(boot, &shape, entry))
		return unsure(e, "it was not unmounted");
	r = used_state_new(s, sizeof(shape), WINDOW_BYTES, state, e);
	if (r == 0)
		memcpy(*state, &shape, sizeof(shape));
	return r;
}

/* 1 when it is in use, 0, -errno. */
static int is_used(struct vfat *x, uint32_t cluster, struct err *e)
{
	if (cluster < x->from || cluster - x->from >= x->count) {
		uint32_t most = WINDOW_BYTES / x->entry_bytes, left = x->clusters - cluster;
		x->count = 0;
		x->from = cluster;
		uint32_t count = left < most ? left : most;
		int r =
		    x->source.read(x->source.ctx, x->table_at + (cluster + 2ULL) * x->entry_bytes,
			x->window, (size_t)count * x->entry_bytes, e);
		if (r < 0)
			return r;
		x->count = count;
	}
	const uint8_t *at = x->window + (size_t)(cluster - x->from) * x->entry_bytes;
	return (number(at, x->entry_bytes) & FAT32_MASK) != 0;
}

static int next_vfat(void *state, struct used_run *out, struct err *e)
{
	struct vfat *x = state;
	int r = 0;

	if (!x->told_start) {
		x->told_start = true;
		*out = (struct used_run){0, x->data_at};
		return 1;
	}
	while (x->cluster < x->clusters && (r = is_used(x, x->cluster, e)) == 0)
		x->cluster++;
	if (r < 0 || x->cluster == x->clusters)
		return r;
	uint32_t from = x->cluster;
	while (x->cluster < x->clusters && (r = is_used(x, x->cluster, e)) == 1)
		x->cluster++;
	out->at = x->data_at + from * x->cluster_bytes;
	out->len = (x->cluster - from) * x->cluster_bytes;
	return r < 0 ? r : 1;
}

const struct used_kind used_vfat = {{"vfat"}, open_vfat, next_vfat};
