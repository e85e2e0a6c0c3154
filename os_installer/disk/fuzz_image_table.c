/* Any bytes as the beginning of a disk image that a user brings. The first of them tells whether
 * its sectors have 512 or 4096 bytes, and whether a GPT's checksums are made right before: a table
 * that is accepted lies within the image, and after it was made to fit a larger disk it is one,
 * too. */
#include <endian.h>
#include <zlib.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "os_installer/disk/image_table.h"

#define IMAGE_BYTES (UINT64_C(64) << 20)
#define DISK_BYTES (UINT64_C(200) << 20)

static void check_table(const struct table *t, uint64_t bytes)
{
	uint64_t sectors = bytes / t->sector_bytes, end = 0;

	PROMISE(t->count > 0 && t->count <= TABLE_PARTITIONS_MAX && t->last < t->count);
	for (unsigned i = 0; i < t->count; i++) {
		const struct table_partition *p = &t->part[i];

		PROMISE(p->number > 0 && p->sectors > 0);
		PROMISE(p->start_lba < sectors && p->sectors <= sectors - p->start_lba);
		PROMISE(strlen(p->uuid) == (t->gpt ? UUID_TEXT_SIZE - 1 : 0));
		if (p->start_lba + p->sectors > end)
			end = p->start_lba + p->sectors;
	}
	PROMISE(t->part[t->last].start_lba + t->part[t->last].sectors == end);
}

/* What is to be erased is the image's, and no partition's. */
static void check_old_tail(const struct table *t)
{
	uint64_t sectors = IMAGE_BYTES / t->sector_bytes;
	const struct table_partition *last = &t->part[t->last];

	if (t->old_tail_sectors == 0)
		return;
	PROMISE(t->old_tail_lba >= last->start_lba + last->sectors);
	PROMISE(t->old_tail_lba < sectors && t->old_tail_sectors <= sectors - t->old_tail_lba);
}

static void check_grown(uint8_t *head, struct table *t)
{
	_cleanup_free_ uint8_t *tail = calloc(1, TABLE_EDGE_BYTES);
	_cleanup_free_ struct table *again = calloc(1, sizeof(*again));
	struct err e = ERR_INIT;

	PROMISE(tail && again);
	if (table_grow(head, tail, DISK_BYTES, t, &e) < 0) {
		PROMISE(e.msg[0]);
		return;
	}
	check_table(t, DISK_BYTES);
	PROMISE(table_read(head, DISK_BYTES, t->sector_bytes, again, &e) == 0);
	check_table(again, DISK_BYTES);
	PROMISE(again->gpt == t->gpt && again->count == t->count);
	PROMISE(memcmp(again->part, t->part, t->count * sizeof(*t->part)) == 0);
}

static uint32_t number_at(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return le32toh(number);
}

static void put_crc(uint8_t *at, const uint8_t *bytes, size_t len)
{
	uint32_t crc = htole32((uint32_t)crc32(0, bytes, (unsigned)len));

	memcpy(at, &crc, sizeof(crc));
}

/* UEFI 2.10, table 5.5: what would be refused for its checksums alone is not. */
static void seal(uint8_t *head, uint32_t sector)
{
	uint8_t *header = head + sector;
	uint64_t len = number_at(header + 12), at = (uint64_t)number_at(header + 72) * sector;
	uint64_t entries = (uint64_t)number_at(header + 80) * number_at(header + 84);

	if (len < 92 || len > 512 || at > TABLE_EDGE_BYTES || entries > TABLE_EDGE_BYTES - at)
		return;
	put_crc(header + 88, head + at, entries);
	memset(header + 16, 0, 4);
	put_crc(header + 16, header, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *head = calloc(1, TABLE_EDGE_BYTES);
	_cleanup_free_ struct table *t = calloc(1, sizeof(*t));
	struct err e = ERR_INIT;

	if (size == 0 || size > TABLE_EDGE_BYTES)
		return -1;
	PROMISE(head && t);
	memcpy(head, data + 1, size - 1);
	uint32_t told = table_sector_bytes(head);
	PROMISE(!told || (told >= TABLE_SECTOR_BYTES && told <= TABLE_SECTOR_BYTES_MAX));
	uint32_t sector = data[0] & 1 ? TABLE_SECTOR_BYTES_MAX : TABLE_SECTOR_BYTES;
	if (data[0] & 2)
		seal(head, sector);
	if (table_read(head, IMAGE_BYTES, sector, t, &e) < 0) {
		PROMISE(e.msg[0]);
		return 0;
	}
	PROMISE(t->sector_bytes == sector);
	check_table(t, IMAGE_BYTES);
	check_old_tail(t);
	check_grown(head, t);
	return 0;
}
