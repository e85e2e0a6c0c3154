#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MIB (1ULL << 20)
#define ALIGN_BYTES MIB
#define ESP_BYTES (512 * MIB)
#define GPT_TAIL_BYTES MIB /* room for the backup table: 33 sectors, at most 132 KiB */

/* What the system needs besides its files: journal (up to 128 MiB), first boot's own writes. */
#define ROOT_SLACK_BYTES (256 * MIB)

/* ---- choosing ---------------------------------------------------------------------------------- */

/* Like strverscmp, but vdb comes before vdaa. */
static int name_compare(const char *a, const char *b)
{
	size_t alpha_a = strcspn(a, "0123456789");
	size_t alpha_b = strcspn(b, "0123456789");

	if (alpha_a != alpha_b && strncmp(a, b, 2) == 0)
		return alpha_a < alpha_b ? -1 : 1;
	return strverscmp(a, b);
}

static const struct disk *first_of_size(const struct disk *disks, size_t count, uint64_t bytes)
{
	const struct disk *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (disks[i].size_bytes == bytes &&
		    (!best || name_compare(disks[i].name, best->name) < 0))
			best = &disks[i];
	return best;
}

static const struct disk *disk_choose(const struct config *c, const struct disk *disks, size_t count)
{
	const struct disk *best = NULL;

	if (c->first_disk_bytes && count > 1)
		best = first_of_size(disks, count, c->first_disk_bytes);
	if (best)
		return best;
	uint64_t largest = 0;
	for (size_t i = 0; i < count; i++)
		if (disks[i].size_bytes > largest)
			largest = disks[i].size_bytes;
	return first_of_size(disks, count, largest);
}

/* ---- layout ------------------------------------------------------------------------------------ */

static void partition_path(const struct disk *d, unsigned number, char *buf, size_t size)
{
	size_t len = strlen(d->path);
	bool digit = len > 0 && isdigit((unsigned char)d->path[len - 1]);

	snprintf(buf, size, "%.*s%s%u", (int)(size - 5), d->path, digit ? "p" : "", number);
}

static void partition_add(struct plan *p, enum plan_role role, enum plan_fs fs, const char *label,
    const char *mount, uint64_t start_bytes, uint64_t size_bytes)
{
	struct plan_partition *part = &p->part[p->count++];

	part->role = role;
	part->fs = fs;
	part->label = label;
	part->mount = mount;
	part->start_lba = start_bytes / p->disk.sector_bytes;
	part->sectors = size_bytes / p->disk.sector_bytes;
	partition_path(&p->disk, p->count, part->path, sizeof(part->path));
}

/* Every file and directory takes an inode and, on average, half a block of waste; ext4's own tables
 * take under 2 % and it works badly when nearly full. */
static uint64_t root_needed(const struct manifest *m)
{
	return m->unpacked_bytes + m->unpacked_bytes / 8 + m->entries * 4096 + ROOT_SLACK_BYTES;
}

/* A disk image brings its own layout: it only has to fit. */
static int plan_image(const struct config *c, const struct disk *d, struct plan *out, struct err *e)
{
	char have[32], need[32];

	out->disk = *d;
	out->root_needed_bytes = c->manifest.unpacked_bytes;
	if (d->size_bytes >= c->manifest.unpacked_bytes)
		return 0;
	return err_set(e, ENOSPC, "disk %s has %s, too small: the disk image needs %s; nothing was "
	    "written", d->path, plan_size_text(d->size_bytes, have, sizeof(have)),
	    plan_size_text(c->manifest.unpacked_bytes, need, sizeof(need)));
}

int plan_make(const struct config *c, const struct disk *disks, size_t count, struct plan *out,
    struct err *e)
{
	char have[32], need[32], unpacked[32];

	memset(out, 0, sizeof(*out));
	const struct disk *d = disk_choose(c, disks, count);
	if (!d)
		return err_set(e, ENODEV, "found no disk to install on: give the machine a virtio, "
		    "SCSI, SATA or NVMe disk");
	if (d->sector_bytes < 512 || d->sector_bytes > 4096 ||
	    (d->sector_bytes & (d->sector_bytes - 1)))
		return err_set(e, ENOTSUP, "disk %s has sectors of %u bytes, which no firmware boots "
		    "from", d->path, d->sector_bytes);
	if (manifest_is_disk(&c->manifest))
		return plan_image(c, d, out, e);
	if (c->firmware != VM_FIRMWARE_UEFI)
		return err_set(e, ENOTSUP, "BIOS firmware is not supported by this installer: set "
		    "\"firmware\": \"uefi\"");

	out->disk = *d;
	out->root_needed_bytes = root_needed(&c->manifest);
	uint64_t root_start = ALIGN_BYTES + ESP_BYTES;
	uint64_t aligned = d->size_bytes - d->size_bytes % ALIGN_BYTES;
	uint64_t needed = root_start + out->root_needed_bytes + GPT_TAIL_BYTES;
	if (aligned < needed)
		return err_set(e, ENOSPC, "disk %s has %s, too small: the image unpacks to %s and needs "
		    "a disk of at least %s; nothing was written", d->path,
		    plan_size_text(d->size_bytes, have, sizeof(have)),
		    plan_size_text(c->manifest.unpacked_bytes, unpacked, sizeof(unpacked)),
		    plan_size_text(needed + ALIGN_BYTES, need, sizeof(need)));
	uint64_t end = aligned - GPT_TAIL_BYTES;
	partition_add(out, PLAN_ESP, PLAN_FS_FAT32, "ESP", "/boot/efi", ALIGN_BYTES, ESP_BYTES);
	partition_add(out, PLAN_ROOT, PLAN_FS_EXT4, "root", "/", root_start, end - root_start);
	return 0;
}

/* ---- UUIDs ------------------------------------------------------------------------------------- */

/* RFC 9562, version 4. */
static void uuid_text(uint8_t b[16], char *out)
{
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, UUID_TEXT_SIZE,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
	    b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

int plan_assign_uuids(
    struct plan *p, int (*random)(void *buf, size_t len, struct err *e), struct err *e)
{
	for (unsigned i = 0; i < p->count; i++) {
		uint8_t b[32];
		int r = random(b, sizeof(b), e);
		if (r < 0)
			return r;
		uuid_text(b, p->part[i].part_uuid);
		if (p->part[i].fs == PLAN_FS_FAT32)
			snprintf(p->part[i].fs_uuid, sizeof(p->part[i].fs_uuid),
			    "%02X%02X-%02X%02X", b[16], b[17], b[18], b[19]);
		else
			uuid_text(b + 16, p->part[i].fs_uuid);
	}
	return 0;
}

/* ---- reading it -------------------------------------------------------------------------------- */

const struct plan_partition *plan_partition(const struct plan *p, enum plan_role role)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->part[i].role == role)
			return &p->part[i];
	return NULL;
}

const char *plan_size_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;
	double v = (double)bytes;

	while (v >= 1024 && unit < 4) {
		v /= 1024;
		unit++;
	}
	snprintf(buf, size, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
	return buf;
}

void plan_print(FILE *f, const struct plan *p)
{
	static const char *const fs[] = {"FAT32", "ext4"};
	char size[32], need[32];

	fprintf(f, "disk %s, %s%s%s, GPT\n", p->disk.path,
	    plan_size_text(p->disk.size_bytes, size, sizeof(size)), p->disk.model[0] ? ", " : "",
	    p->disk.model);
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		fprintf(f, "  %u  %-9s %-5s %10s  sectors %llu to %llu\n", i + 1, part->mount,
		    fs[part->fs],
		    plan_size_text(part->sectors * p->disk.sector_bytes, size, sizeof(size)),
		    (unsigned long long)part->start_lba,
		    (unsigned long long)(part->start_lba + part->sectors - 1));
	}
	fprintf(f, "root needs at least %s\n",
	    plan_size_text(p->root_needed_bytes, need, sizeof(need)));
}
