#include "os_installer/disk/image_table.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/bytes.h"

#define ALIGN_BYTES (1U << 20)
#define HEADER_BYTES_MAX 512U
#define ENTRY_BYTES_MIN 128U
#define GPT_TAIL_BYTES_MAX (TABLE_EDGE_BYTES / 2)
#define MBR_ENTRIES 446
#define MBR_TYPE_GPT 0xee
#define GPT_SIGNATURE "EFI PART"

/* EFI system partition, as it lies on the disk. */
static const uint8_t type_esp[16] = {
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};

/* UEFI 2.10, table 5.5. */
struct gpt_header {
	char signature[8];
	uint32_t revision, header_bytes, header_crc, reserved;
	uint64_t my_lba, alternate_lba, first_usable_lba, last_usable_lba;
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t entry_count, entry_bytes, entries_crc;
} __attribute__((packed));

/* Table 5.6. */
struct gpt_entry {
	uint8_t type[16], guid[16];
	uint64_t first_lba, last_lba, attributes;
} __attribute__((packed));

struct mbr_entry {
	uint8_t active, first_chs[3], type, last_chs[3];
	uint32_t start_lba, sectors;
} __attribute__((packed));

/* A table's first bytes, and the sectors that it counts. */
struct place {
	uint8_t *head;
	uint32_t sector;
};

static struct mbr_entry *mbr_at(uint8_t *head, unsigned i)
{
	return (struct mbr_entry *)(head + MBR_ENTRIES) + i;
}

/* ---- GPT ---------------------------------------------------------------------------------------
 */

static uint32_t header_crc(const struct gpt_header *h, uint32_t header_bytes)
{
	uint8_t copy[HEADER_BYTES_MAX];

	memcpy(copy, h, header_bytes);
	memset(copy + offsetof(struct gpt_header, header_crc), 0, 4);
	return (uint32_t)crc32(0, copy, header_bytes);
}

static struct gpt_header *gpt_at(struct place p)
{
	return (struct gpt_header *)(p.head + p.sector);
}

static uint64_t entries_sectors(struct place p)
{
	const struct gpt_header *h = gpt_at(p);
	uint64_t bytes = (uint64_t)le32toh(h->entry_count) * le32toh(h->entry_bytes);

	return (bytes + p.sector - 1) / p.sector;
}

static uint8_t *gpt_entry_at(struct place p, unsigned i)
{
	const struct gpt_header *h = gpt_at(p);

	return p.head + le64toh(h->entries_lba) * p.sector + (size_t)i * le32toh(h->entry_bytes);
}

static uint32_t entries_crc(struct place p)
{
	const struct gpt_header *h = gpt_at(p);

	return (uint32_t)crc32(
	    0, gpt_entry_at(p, 0), le32toh(h->entry_count) * le32toh(h->entry_bytes));
}

static int gpt_check(struct place p, struct err *e)
{
	const struct gpt_header *h = gpt_at(p);
	uint32_t header_bytes = le32toh(h->header_bytes), entry_bytes = le32toh(h->entry_bytes);
	uint64_t lba = le64toh(h->entries_lba);

	if (header_bytes < sizeof(*h) || header_bytes > HEADER_BYTES_MAX ||
	    header_crc(h, header_bytes) != le32toh(h->header_crc))
		return err_set(e, EINVAL, "the disk image's GPT header is damaged");
	if (entry_bytes < ENTRY_BYTES_MIN || entry_bytes > 4096 || entry_bytes % 8 != 0 ||
	    le32toh(h->entry_count) == 0 || le32toh(h->entry_count) > 4096 ||
	    entries_sectors(p) * p.sector >= GPT_TAIL_BYTES_MAX || lba < 2 || lba > 1024 ||
	    (lba + entries_sectors(p)) * p.sector > TABLE_EDGE_BYTES)
		return err_set(e, EINVAL, "the disk image's GPT has a size or place nobody uses");
	if (entries_crc(p) != le32toh(h->entries_crc))
		return err_set(e, EINVAL, "the disk image's GPT is damaged");
	return 0;
}

/* GUIDs are little endian in their first three parts. */
static void guid_text(const uint8_t g[16], char out[UUID_TEXT_SIZE])
{
	const uint8_t turned[16] = {g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9],
	    g[10], g[11], g[12], g[13], g[14], g[15]};

	uuid_format(turned, out);
}

static int partition_add(struct table *t, unsigned number, uint64_t start, uint64_t sectors,
    uint64_t image_sectors, struct err *e)
{
	if (t->count == TABLE_PARTITIONS_MAX)
		return err_set(
		    e, EINVAL, "the disk image has more than %u partitions", TABLE_PARTITIONS_MAX);
	if (sectors == 0 || start == 0 || start >= image_sectors || sectors > image_sectors - start)
		return err_set(
		    e, EINVAL, "partition %u of the disk image lies outside of it", number);
	t->part[t->count++] =
	    (struct table_partition){.number = number, .start_lba = start, .sectors = sectors};
	return 0;
}

static uint64_t end_of(const struct table_partition *p)
{
	return p->start_lba + p->sectors;
}

/* The backup, unless it is said to be where partitions may be or are: it is to be erased. */
static void old_tail_find(struct place p, uint64_t image_sectors, struct table *out)
{
	const struct gpt_header *h = gpt_at(p);
	uint64_t alternate = le64toh(h->alternate_lba), sectors = entries_sectors(p);

	if (alternate >= image_sectors || alternate < sectors ||
	    alternate - sectors <= le64toh(h->last_usable_lba))
		return;
	for (unsigned i = 0; i < out->count; i++)
		if (end_of(&out->part[i]) > alternate - sectors)
			return;
	out->old_tail_lba = alternate - sectors;
	out->old_tail_sectors = sectors + 1;
}

static int gpt_read(struct place p, uint64_t image_sectors, struct table *out, struct err *e)
{
	const struct gpt_header *h = gpt_at(p);
	int r = gpt_check(p, e);

	if (r < 0)
		return r;
	out->gpt = true;
	for (unsigned i = 0; i < le32toh(h->entry_count); i++) {
		struct gpt_entry entry;
		memcpy(&entry, gpt_entry_at(p, i), sizeof(entry));
		if (bytes_are_zero(entry.type, sizeof(entry.type)))
			continue;
		uint64_t first = le64toh(entry.first_lba), last = le64toh(entry.last_lba);
		r = partition_add(
		    out, i + 1, first, last < first ? 0 : last - first + 1, image_sectors, e);
		if (r < 0)
			return r;
		out->part[out->count - 1].esp = memcmp(entry.type, type_esp, sizeof(type_esp)) == 0;
		guid_text(entry.guid, out->part[out->count - 1].uuid);
	}
	old_tail_find(p, image_sectors, out);
	return 0;
}

static void gpt_finish(struct gpt_header *h)
{
	h->header_crc = htole32(header_crc(h, le32toh(h->header_bytes)));
}

static uint64_t gpt_last_usable(struct place p, uint64_t disk_sectors)
{
	return disk_sectors - entries_sectors(p) - 2;
}

/* The backup at the end of a disk of that size. */
static void gpt_settle(struct place p, uint8_t *tail, uint64_t disk_sectors)
{
	struct gpt_header *h = gpt_at(p);
	uint64_t sectors = entries_sectors(p), usable = gpt_last_usable(p, disk_sectors);

	h->alternate_lba = htole64(disk_sectors - 1);
	h->last_usable_lba = htole64(usable);
	h->entries_crc = htole32(entries_crc(p));
	gpt_finish(h);
	for (unsigned i = 0; i < 4; i++)
		if (mbr_at(p.head, i)->type == MBR_TYPE_GPT &&
		    le32toh(mbr_at(p.head, i)->start_lba) == 1)
			mbr_at(p.head, i)->sectors =
			    htole32(disk_sectors - 1 > UINT32_MAX ? UINT32_MAX
								  : (uint32_t)(disk_sectors - 1));

	uint8_t *backup = tail + (TABLE_EDGE_BYTES - p.sector);
	memcpy(backup - sectors * p.sector, gpt_entry_at(p, 0), sectors * p.sector);
	memset(backup, 0, p.sector);
	memcpy(backup, h, le32toh(h->header_bytes));
	h = (struct gpt_header *)backup;
	h->my_lba = htole64(disk_sectors - 1);
	h->alternate_lba = htole64(1);
	h->entries_lba = htole64(disk_sectors - 1 - sectors);
	gpt_finish(h);
}

/* In sectors, where a partition may end at most. */
static uint64_t align_down(uint64_t sectors, uint32_t sector_bytes)
{
	return sectors / (ALIGN_BYTES / sector_bytes) * (ALIGN_BYTES / sector_bytes);
}

static void gpt_grow(struct place p, uint8_t *tail, uint64_t disk_sectors, struct table *t)
{
	struct table_partition *last = &t->part[t->last];
	/* The first sector behind it. */
	uint64_t end = align_down(gpt_last_usable(p, disk_sectors) + 1, p.sector);

	if (end > end_of(last)) {
		struct gpt_entry entry;
		uint8_t *at = gpt_entry_at(p, last->number - 1);
		last->sectors = end - last->start_lba;
		memcpy(&entry, at, sizeof(entry));
		entry.last_lba = htole64(end - 1);
		memcpy(at, &entry, sizeof(entry));
	}
	gpt_settle(p, tail, disk_sectors);
}

/* ---- MBR ---------------------------------------------------------------------------------------
 */

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static int mbr_read(uint8_t *head, uint64_t image_sectors, struct table *out, struct err *e)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *m = mbr_at(head, i);
		if (m->type == 0)
			continue;
		int r = partition_add(
		    out, i + 1, le32toh(m->start_lba), le32toh(m->sectors), image_sectors, e);
		if (r < 0)
			return r;
		out->part[out->count - 1].esp = m->type == 0xef;
	}
	return 0;
}

static void mbr_grow(uint8_t *head, uint64_t disk_sectors, struct table *t)
{
	struct table_partition *last = &t->part[t->last];
	uint64_t most = disk_sectors < UINT32_MAX ? disk_sectors : UINT32_MAX;
	uint64_t end = align_down(most, t->sector_bytes);

	if (end <= end_of(last))
		return;
	last->sectors = end - last->start_lba;
	mbr_at(head, last->number - 1)->sectors = htole32((uint32_t)last->sectors);
}

/* ---- both --------------------------------------------------------------------------------------
 */

uint32_t table_sector_bytes(const uint8_t *head)
{
	for (uint32_t n = TABLE_SECTOR_BYTES; n <= TABLE_SECTOR_BYTES_MAX; n *= 2)
		if (memcmp(head + n, GPT_SIGNATURE, strlen(GPT_SIGNATURE)) == 0)
			return n;
	return 0;
}

int table_fits(
    uint32_t image_sector_bytes, const char *disk, uint32_t disk_sector_bytes, struct err *e)
{
	if (image_sector_bytes == disk_sector_bytes)
		return 0;
	return err_set(e, ENOTSUP,
	    "the image is of a disk with sectors of %u bytes, and %s has sectors of %u, by which its partition table and file systems would not be understood: take a disk with such sectors, or install from a root file system",
	    image_sector_bytes, disk, disk_sector_bytes);
}

int table_read(const uint8_t *head, uint64_t image_bytes, uint32_t sector_bytes, struct table *out,
    struct err *e)
{
	struct place p = {(uint8_t *)(uintptr_t)head, sector_bytes}; /* only read */
	uint64_t sectors = image_bytes / sector_bytes;
	int r;

	memset(out, 0, sizeof(*out));
	out->sector_bytes = sector_bytes;
	if (sector_bytes < TABLE_SECTOR_BYTES || sector_bytes > TABLE_SECTOR_BYTES_MAX ||
	    (sector_bytes & (sector_bytes - 1)) != 0)
		r = err_set(e, EINVAL, "sectors of %u bytes are not known here", sector_bytes);
	else if (memcmp(gpt_at(p)->signature, GPT_SIGNATURE, strlen(GPT_SIGNATURE)) == 0)
		r = gpt_read(p, sectors, out, e);
	else if (head[510] == 0x55 && head[511] == 0xaa)
		r = mbr_read(p.head, sectors, out, e);
	else
		r = err_set(e, EINVAL, "the disk image has no partition table");
	if (r < 0)
		return r;
	if (out->count == 0)
		return err_set(e, EINVAL, "the disk image has no partitions");
	for (unsigned i = 1; i < out->count; i++)
		if (end_of(&out->part[i]) > end_of(&out->part[out->last]))
			out->last = i;
	out->can_grow =
	    out->gpt || !is_extended(mbr_at(p.head, out->part[out->last].number - 1)->type);
	return 0;
}

static int gpt_check_room(
    struct place p, uint64_t disk_sectors, const struct table *t, struct err *e)
{
	const struct table_partition *last = &t->part[t->last];

	if (disk_sectors < end_of(last) + entries_sectors(p) + 1)
		return err_set(e, ENOSPC,
		    "the disk image's partitions leave no room for the backup of its partition table");
	return 0;
}

int table_settle(
    uint8_t *head, uint8_t *tail, uint64_t disk_bytes, const struct table *t, struct err *e)
{
	struct place p = {head, t->sector_bytes};
	uint64_t sectors = disk_bytes / p.sector;

	/* One that is where it should be stays to the last bit. */
	if (!t->gpt || le64toh(gpt_at(p)->alternate_lba) == sectors - 1)
		return 0;
	int r = gpt_check_room(p, sectors, t, e);
	if (r == 0)
		gpt_settle(p, tail, sectors);
	return r;
}

int table_grow(uint8_t *head, uint8_t *tail, uint64_t disk_bytes, struct table *t, struct err *e)
{
	struct place p = {head, t->sector_bytes};
	uint64_t sectors = disk_bytes / p.sector;

	if (t->gpt) {
		int r = gpt_check_room(p, sectors, t, e);
		if (r < 0)
			return r;
		gpt_grow(p, tail, sectors, t);
	} else if (t->can_grow) {
		mbr_grow(head, sectors, t);
	}
	return 0;
}
