#include "vmlab/image/disk_look.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/image/manifest.h"
#include "lib/machine/file_system.h"

#define GPT_ENTRY_BYTES 128
#define BOOT_CODE_BYTES 440
#define MBR_ENTRIES 446

/* Where in a partition which bytes lie, of what is no file system of ours
 * (lib/machine/file_system.h). util-linux's libblkid knows the same places. */
static const struct {
	const char *fs;
	struct fs_magic magic;
} others[] = {
    {"LVM", {512, 8, "LABELONE"}},
    {"LVM", {0, 8, "LABELONE"}},
    {"LUKS", {0, 6, "LUKS\xba\xbe"}},
    {"RAID", {4096, 4, "\xfc\x4e\x2b\xa9"}},
    {"ntfs", {3, 8, "NTFS    "}},
    {"exfat", {3, 8, "EXFAT   "}},
    {"iso9660", {32769, 5, "CD001"}},
    {"squashfs", {0, 4, "hsqs"}},
    {"erofs", {1024, 4, "\xe2\xe1\xf5\xe0"}},
    {"f2fs", {1024, 4, "\x10\x20\xf5\xf2"}},
    {"ufs", {66908, 4, "\x19\x01\x54\x19"}},
    {"zfs", {135168, 4, "\x0c\xb1\xba"}},
};
#define OUR_MAGICS ((size_t)STORAGE_FS_COUNT * FS_MAGICS)
#define MAGIC_COUNT (OUR_MAGICS + sizeof(others) / sizeof(*others))
_Static_assert(MAGIC_COUNT <= DISK_LOOK_MAGICS, "room for what matched");

static const struct fs_magic *magic_at(size_t k)
{
	return k < OUR_MAGICS ? &file_systems[k / FS_MAGICS].magic[k % FS_MAGICS]
			      : &others[k - OUR_MAGICS].magic;
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

uint32_t disk_look_gpt(const uint8_t *start, size_t len)
{
	for (uint32_t n = IMAGE_SECTOR_BYTES; n <= IMAGE_SECTOR_BYTES_MAX && n + 8 <= len; n *= 2)
		if (memcmp(start + n, "EFI PART", 8) == 0)
			return n;
	return 0;
}

static void add(struct disk_look *l, uint64_t lba)
{
	if (l->count < DISK_LOOK_PARTITIONS && lba <= UINT64_MAX / IMAGE_SECTOR_BYTES_MAX / 2)
		l->start_bytes[l->count++] = lba * l->sector_bytes;
}

static void read_gpt(struct disk_look *l)
{
	const uint8_t *header = l->head + l->sector_bytes;

	if (le64(header + 72) != 2 || le32(header + 84) != GPT_ENTRY_BYTES) {
		l->unclear = true;
		return;
	}
	for (unsigned i = 0; i < le32(header + 80) && i < DISK_LOOK_PARTITIONS; i++) {
		const uint8_t *entry = l->head + 2UL * l->sector_bytes + i * GPT_ENTRY_BYTES;
		if (!bytes_are_zero(entry, 16))
			add(l, le64(entry + 32));
	}
}

static void read_mbr(struct disk_look *l)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = l->head + MBR_ENTRIES + i * 16UL;
		uint8_t type = entry[4];
		l->unclear |= type == 0x05 || type == 0x0f; /* extended: a chain of tables */
		if (type)
			add(l, le32(entry + 8));
	}
}

static void read_table(struct disk_look *l)
{
	uint32_t gpt = disk_look_gpt(l->head, sizeof(l->head));

	l->boot_code = !bytes_are_zero(l->head, BOOT_CODE_BYTES);
	l->sector_bytes = gpt ? gpt : IMAGE_SECTOR_BYTES;
	if (gpt)
		read_gpt(l);
	else
		read_mbr(l);
}

/* Counts which bytes of the magics lie in these ones: a magic may come in two pieces. */
static void match(struct disk_look *l, uint64_t offset, const uint8_t *data, size_t len)
{
	for (unsigned i = 0; i < l->count; i++)
		for (size_t k = 0; k < MAGIC_COUNT; k++) {
			const struct fs_magic *m = magic_at(k);
			for (uint8_t j = 0; j < m->len; j++) {
				uint64_t at = l->start_bytes[i] + m->offset + j;
				if (at >= offset && at - offset < len)
					l->matched[i][k] +=
					    data[at - offset] == (uint8_t)m->bytes[j];
			}
		}
}

void disk_look_feed(struct disk_look *l, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (l->seen_bytes < sizeof(l->head)) {
		size_t n = sizeof(l->head) - l->seen_bytes;
		n = n < len ? n : len;
		memcpy(l->head + l->seen_bytes, p, n);
		l->seen_bytes += n;
		p += n;
		len -= n;
		if (l->seen_bytes == sizeof(l->head)) {
			read_table(l);
			match(l, 0, l->head, sizeof(l->head));
		}
	}
	if (len == 0)
		return;
	match(l, l->seen_bytes, p, len);
	l->seen_bytes += len;
}

const char *disk_look_fs(const struct disk_look *l, unsigned i)
{
	for (size_t k = 0; i < l->count && k < MAGIC_COUNT; k++)
		if (magic_at(k)->len > 0 && l->matched[i][k] == magic_at(k)->len)
			return k < OUR_MAGICS ? file_systems[k / FS_MAGICS].name
					      : others[k - OUR_MAGICS].fs;
	return NULL;
}

bool disk_look_complaint(const struct disk_look *l, bool bios, char *buf, size_t size)
{
	bool fs = false, fat = false;
	char what[64];

	for (unsigned i = 0; i < l->count; i++) {
		const char *name = disk_look_fs(l, i);
		fs |= name && strcmp(name, file_systems[STORAGE_FS_SWAP].name) != 0;
		fat |= name && strcmp(name, file_systems[STORAGE_FS_VFAT].name) == 0;
	}
	bool starts = fat || (bios && l->boot_code);
	if (l->unclear || (fs && starts))
		return false;
	snprintf(what, sizeof(what), "%u partition%s", l->count, l->count == 1 ? "" : "s");
	if (l->count == 0)
		snprintf(buf, size,
		    "the disk has a partition table and no partition: there is no system on it");
	else if (!fs)
		snprintf(buf, size,
		    "the disk has %s without a file system that is known here: there seems to be no system on it",
		    what);
	else
		snprintf(buf, size,
		    "the disk has %s and nothing that a firmware could start, %s: an installed machine will not boot",
		    what,
		    bios ? "neither an EFI partition nor boot code for a BIOS"
			 : "no EFI partition");
	return true;
}
