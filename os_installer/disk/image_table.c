#include "os_installer/disk/image_table.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/bytes.h"

#define ALIGN_SECTORS 2048U
#define ENTRY_BYTES_MIN 128U
#define GPT_TAIL_SECTORS_MAX (TABLE_EDGE_BYTES / TABLE_SECTOR_BYTES / 2)
#define MBR_ENTRIES 446
#define MBR_TYPE_GPT 0xee

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

static struct mbr_entry *mbr_at(uint8_t *head, unsigned i)
{
	return (struct mbr_entry *)(head + MBR_ENTRIES) + i;
}

/* ---- GPT ---------------------------------------------------------------------------------------
 */

static uint32_t header_crc(const struct gpt_header *h, uint32_t header_bytes)
{
	uint8_t copy[TABLE_SECTOR_BYTES];

	memcpy(copy, h, header_bytes);
	memset(copy + offsetof(struct gpt_header, header_crc), 0, 4);
	return (uint32_t)crc32(0, copy, header_bytes);
}

static uint64_t entries_sectors(const struct gpt_header *h)
{
	uint64_t bytes = (uint64_t)le32toh(h->entry_count) * le32toh(h->entry_bytes);

	return (bytes + TABLE_SECTOR_BYTES - 1) / TABLE_SECTOR_BYTES;
}

static struct gpt_header *gpt_at(uint8_t *head)
{
	return (struct gpt_header *)(head + TABLE_SECTOR_BYTES);
}

static uint8_t *gpt_entry_at(uint8_t *head, unsigned i)
{
	const struct gpt_header *h = gpt_at(head);

	return head + le64toh(h->entries_lba) * TABLE_SECTOR_BYTES +
	       (size_t)i * le32toh(h->entry_bytes);
}

static uint32_t entries_crc(uint8_t *head)
{
	const struct gpt_header *h = gpt_at(head);

	return (uint32_t)crc32(
	    0, gpt_entry_at(head, 0), le32toh(h->entry_count) * le32toh(h->entry_bytes));
}

static int gpt_check(uint8_t *head, struct err *e)
{
	const struct gpt_header *h = gpt_at(head);
	uint32_t header_bytes = le32toh(h->header_bytes), entry_bytes = le32toh(h->entry_bytes);
	uint64_t lba = le64toh(h->entries_lba);

	if (header_bytes < sizeof(*h) || header_bytes > TABLE_SECTOR_BYTES ||
	    header_crc(h, header_bytes) != le32toh(h->header_crc))
		return err_set(e, EINVAL, "the disk image's GPT header is damaged");
	if (entry_bytes < ENTRY_BYTES_MIN || entry_bytes > 4096 || entry_bytes % 8 != 0 ||
	    le32toh(h->entry_count) == 0 || le32toh(h->entry_count) > 4096 ||
	    entries_sectors(h) >= GPT_TAIL_SECTORS_MAX || lba < 2 || lba > 1024 ||
	    (lba + entries_sectors(h)) * TABLE_SECTOR_BYTES > TABLE_EDGE_BYTES)
		return err_set(e, EINVAL, "the disk image's GPT has a size or place nobody uses");
	if (entries_crc(head) != le32toh(h->entries_crc))
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

static int gpt_read(uint8_t *head, uint64_t image_sectors, struct table *out, struct err *e)
{
	const struct gpt_header *h = gpt_at(head);
	int r = gpt_check(head, e);

	if (r < 0)
		return r;
	out->gpt = true;
	for (unsigned i = 0; i < le32toh(h->entry_count); i++) {
		struct gpt_entry entry;
		memcpy(&entry, gpt_entry_at(head, i), sizeof(entry));
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
	uint64_t alternate = le64toh(h->alternate_lba), sectors = entries_sectors(h);
	if (alternate < image_sectors && alternate > le64toh(h->last_usable_lba) + sectors) {
		out->old_tail_lba = alternate - sectors;
		out->old_tail_sectors = sectors + 1;
	}
	return 0;
}

static void gpt_finish(struct gpt_header *h)
{
	h->header_crc = htole32(header_crc(h, le32toh(h->header_bytes)));
}

static uint64_t gpt_last_usable(uint8_t *head, uint64_t disk_sectors)
{
	return disk_sectors - entries_sectors(gpt_at(head)) - 2;
}

/* The backup at the end of a disk of that size. */
static void gpt_settle(uint8_t *head, uint8_t *tail, uint64_t disk_sectors)
{
	struct gpt_header *h = gpt_at(head);
	uint64_t sectors = entries_sectors(h), usable = gpt_last_usable(head, disk_sectors);

	h->alternate_lba = htole64(disk_sectors - 1);
	h->last_usable_lba = htole64(usable);
	h->entries_crc = htole32(entries_crc(head));
	gpt_finish(h);
	for (unsigned i = 0; i < 4; i++)
		if (mbr_at(head, i)->type == MBR_TYPE_GPT &&
		    le32toh(mbr_at(head, i)->start_lba) == 1)
			mbr_at(head, i)->sectors =
			    htole32(disk_sectors - 1 > UINT32_MAX ? UINT32_MAX
								  : (uint32_t)(disk_sectors - 1));

	uint8_t *backup = tail + (TABLE_EDGE_BYTES - TABLE_SECTOR_BYTES);
	memcpy(backup - sectors * TABLE_SECTOR_BYTES, gpt_entry_at(head, 0),
	    sectors * TABLE_SECTOR_BYTES);
	memset(backup, 0, TABLE_SECTOR_BYTES);
	memcpy(backup, h, le32toh(h->header_bytes));
	h = (struct gpt_header *)backup;
	h->my_lba = htole64(disk_sectors - 1);
	h->alternate_lba = htole64(1);
	h->entries_lba = htole64(disk_sectors - 1 - sectors);
	gpt_finish(h);
}

static void gpt_grow(uint8_t *head, uint8_t *tail, uint64_t disk_sectors, struct table *t)
{
	struct table_partition *last = &t->part[t->last];
	/* The first sector behind it. */
	uint64_t end = (gpt_last_usable(head, disk_sectors) + 1) / ALIGN_SECTORS * ALIGN_SECTORS;

	if (end > last->start_lba + last->sectors) {
		struct gpt_entry entry;
		uint8_t *at = gpt_entry_at(head, last->number - 1);
		last->sectors = end - last->start_lba;
		memcpy(&entry, at, sizeof(entry));
		entry.last_lba = htole64(end - 1);
		memcpy(at, &entry, sizeof(entry));
	}
	gpt_settle(head, tail, disk_sectors);
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
	uint64_t end = disk_sectors / ALIGN_SECTORS * ALIGN_SECTORS;

	if (end > UINT32_MAX)
		end = UINT32_MAX / ALIGN_SECTORS * ALIGN_SECTORS;
	if (end <= last->start_lba + last->sectors)
		return;
	last->sectors = end - last->start_lba;
	mbr_at(head, last->number - 1)->sectors = htole32((uint32_t)last->sectors);
}

/* ---- both --------------------------------------------------------------------------------------
 */

int table_read(const uint8_t *const_head, uint64_t image_bytes, struct table *out, struct err *e)
{
	uint8_t *head = (uint8_t *)(uintptr_t)const_head; /* only read */
	uint64_t sectors = image_bytes / TABLE_SECTOR_BYTES;
	int r;

	memset(out, 0, sizeof(*out));
	if (memcmp(gpt_at(head)->signature, "EFI PART", 8) == 0)
		r = gpt_read(head, sectors, out, e);
	else if (head[510] == 0x55 && head[511] == 0xaa)
		r = mbr_read(head, sectors, out, e);
	else
		r = err_set(e, EINVAL, "the disk image has no partition table");
	if (r < 0)
		return r;
	if (out->count == 0)
		return err_set(e, EINVAL, "the disk image has no partitions");
	for (unsigned i = 1; i < out->count; i++)
		if (out->part[i].start_lba > out->part[out->last].start_lba)
			out->last = i;
	out->can_grow =
	    out->gpt || !is_extended(mbr_at(head, out->part[out->last].number - 1)->type);
	return 0;
}

static int gpt_check_room(
    uint8_t *head, uint64_t disk_sectors, const struct table *t, struct err *e)
{
	const struct table_partition *last = &t->part[t->last];

	if (disk_sectors < last->start_lba + last->sectors + entries_sectors(gpt_at(head)) + 1)
		return err_set(e, ENOSPC,
		    "the disk image's partitions leave no room for the backup of its partition table");
	return 0;
}

int table_settle(
    uint8_t *head, uint8_t *tail, uint64_t disk_bytes, const struct table *t, struct err *e)
{
	uint64_t sectors = disk_bytes / TABLE_SECTOR_BYTES;

	/* One that is where it should be stays to the last bit. */
	if (!t->gpt || le64toh(gpt_at(head)->alternate_lba) == sectors - 1)
		return 0;
	int r = gpt_check_room(head, sectors, t, e);
	if (r == 0)
		gpt_settle(head, tail, sectors);
	return r;
}

int table_grow(uint8_t *head, uint8_t *tail, uint64_t disk_bytes, struct table *t, struct err *e)
{
	uint64_t sectors = disk_bytes / TABLE_SECTOR_BYTES;

	if (t->gpt) {
		int r = gpt_check_room(head, sectors, t, e);
		if (r < 0)
			return r;
		gpt_grow(head, tail, sectors, t);
	} else if (t->can_grow) {
		mbr_grow(head, sectors, t);
	}
	return 0;
}
