#include "lib/plan/plan.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/size.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define ALIGN_BYTES MIB
#define ESP_BYTES (512 * MIB)
#define BIOS_BOOT_BYTES MIB
#define GPT_TAIL_BYTES MIB /* room for the backup table: 33 sectors, at most 132 KiB */
#define DISK_MAX_BYTES (64ULL << 40)

/* What the system needs besides its files: journal (up to 128 MiB), first boot's own writes. */
#define ROOT_SLACK_BYTES (256 * MIB)

/* Kernel and initramfs, and both once more while they are being replaced. */
#define BOOT_MIN_BYTES (256 * MIB)
#define VAR_MIN_BYTES (256 * MIB)

/* ---- layout ----------------------------------------------------------------------------------*/

static void partition_path(const struct disk *d, unsigned number, char *buf, size_t size)
{
	size_t len = strlen(d->path);
	bool digit = len > 0 && isdigit((unsigned char)d->path[len - 1]);

	snprintf(buf, size, "%.*s%s%u", (int)(size - 5), d->path, digit ? "p" : "", number);
}

/* Appends a partition behind the last one. */
static struct plan_partition *partition_add(
    struct plan *p, enum plan_role role, enum storage_fs fs, uint64_t size_bytes)
{
	const struct plan_partition *last = p->count ? &p->part[p->count - 1] : NULL;
	struct plan_partition *part = &p->part[p->count++];

	part->role = role;
	part->fs = fs;
	part->start_lba =
	    last ? last->start_lba + last->sectors : ALIGN_BYTES / p->disk.sector_bytes;
	part->sectors = size_bytes / p->disk.sector_bytes;
	partition_path(&p->disk, p->count, part->path, sizeof(part->path));
	return part;
}

static uint64_t align_down(uint64_t bytes)
{
	return bytes - bytes % ALIGN_BYTES;
}

static uint64_t disk_end(uint64_t disk_bytes)
{
	return disk_bytes < GPT_TAIL_BYTES ? 0 : align_down(disk_bytes) - GPT_TAIL_BYTES;
}

static uint64_t boot_bytes(enum vm_firmware firmware)
{
	return firmware == VM_FIRMWARE_BIOS ? BIOS_BOOT_BYTES : ESP_BYTES;
}

/* Sizes of the partitions of `s` on a disk of that size. Returns false when they do not fit at all;
 * what takes the rest may come out with less than it needs. */
static bool sizes_of(
    const struct plan_request *q, uint64_t disk_bytes, uint64_t size[STORAGE_PARTITIONS_MAX])
{
	const struct storage *s = q->storage;
	uint64_t used = ALIGN_BYTES + boot_bytes(q->firmware), end = disk_end(disk_bytes);

	for (unsigned i = 0; i < s->count; i++) {
		const struct storage_partition *p = &s->part[i];
		if (p->unit == STORAGE_BYTES)
			size[i] = align_down(p->amount + ALIGN_BYTES - 1);
		else if (p->unit == STORAGE_PERCENT)
			size[i] = align_down(disk_bytes * p->amount / 100);
		else
			size[i] = used < end ? end - used : 0; /* it is the last */
		if (size[i] > UINT64_MAX / 2 - used)
			return false;
		used += size[i];
	}
	return used <= end;
}

/* ---- what is needed --------------------------------------------------------------------------*/

/* A file takes an inode and wastes up to a block; a file system's own tables take under 2 % and it
 * works badly when nearly full. */
#define ENTRY_BYTES (4096 + 512)

static uint64_t root_needed(const struct plan_request *q)
{
	uint64_t slack = ROOT_SLACK_BYTES + file_systems[storage_root(q->storage)->fs].slack_bytes;

	if (q->unpacked_bytes == 0)
		return 0;
	return q->unpacked_bytes + q->unpacked_bytes / 8 + q->entries * ENTRY_BYTES + slack;
}

/* Most of a system lies in /usr: where that has a partition of its own, it takes the image. */
static const struct storage_partition *image_partition(const struct storage *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->part[i].mount, "/usr") == 0)
			return &s->part[i];
	return storage_root(s);
}

/* Other directories get their share of the image only when the system runs. */
static uint64_t partition_needed(const struct plan_request *q, const struct storage_partition *p)
{
	uint64_t needed = file_systems[p->fs].min_bytes;
	uint64_t wanted = p == image_partition(q->storage) ? root_needed(q)
			  : strcmp(p->mount, "/") == 0 ? (q->unpacked_bytes ? ROOT_SLACK_BYTES : 0)
			  : strcmp(p->mount, "/boot") == 0 ? BOOT_MIN_BYTES
			  : strcmp(p->mount, "/var") == 0  ? VAR_MIN_BYTES
							   : 0;

	return wanted > needed ? wanted : needed;
}

/* The first partition that gets less than it needs, or -1. */
static int starved(const struct plan_request *q, const uint64_t *size)
{
	for (unsigned i = 0; i < q->storage->count; i++)
		if (size[i] < partition_needed(q, &q->storage->part[i]))
			return (int)i;
	return -1;
}

static bool fits(const struct plan_request *q, uint64_t disk_bytes)
{
	uint64_t size[STORAGE_PARTITIONS_MAX] = {0};

	return sizes_of(q, disk_bytes, size) && starved(q, size) < 0;
}

uint64_t plan_min_bytes(const struct plan_request *q)
{
	uint64_t low = 0, high = DISK_MAX_BYTES / MIB;

	if (!fits(q, DISK_MAX_BYTES))
		return 0;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		if (fits(q, middle * MIB))
			high = middle;
		else
			low = middle;
	}
	return high * MIB;
}

/* Up to what size_text() shows, so that a disk of the size it names is large enough. */
static uint64_t round_up(uint64_t bytes)
{
	return bytes < GIB ? bytes : (bytes * 10 + GIB - 1) / GIB * GIB / 10;
}

static int refuse_size(
    const struct plan_request *q, const struct disk *d, const uint64_t *size, struct err *e)
{
	char have[SIZE_TEXT_SIZE], need[SIZE_TEXT_SIZE],
	    unpacked[SIZE_TEXT_SIZE] = "", gets[SIZE_TEXT_SIZE], wants[SIZE_TEXT_SIZE],
	    what[300] = "", image[80] = "";
	uint64_t least = round_up(plan_min_bytes(q));
	int i = starved(q, size);

	if (q->unpacked_bytes)
		snprintf(image, sizeof(image), "the image unpacks to %s and ",
		    size_text(q->unpacked_bytes, unpacked));
	if (least == 0 && i >= 0) {
		const struct storage_partition *p = &q->storage->part[i];
		return err_set(e, ENOSPC,
		    "the layout fits no disk: %s gets %s and needs %s%s%s; correct \"storage\"",
		    p->mount[0] ? p->mount : "swap", size_text(size[i], gets),
		    size_text(partition_needed(q, p), wants),
		    q->unpacked_bytes ? ", as the image unpacks to " : "", unpacked);
	}
	if (q->storage->count > 1 && i >= 0 && size[i] > 0)
		snprintf(what, sizeof(what), ", where %s would get %s and needs %s",
		    q->storage->part[i].mount[0] ? q->storage->part[i].mount : "swap",
		    size_text(size[i], gets),
		    size_text(partition_needed(q, &q->storage->part[i]), wants));
	return err_set(e, ENOSPC, "disk %s has %s, too small: %s%sneeds a disk of at least %s%s",
	    d->path, size_text(d->size_bytes, have), image,
	    q->storage->count > 1 ? "the layout "
	    : q->unpacked_bytes   ? ""
				  : "the system ",
	    least ? size_text(least, need) : "more than 64 TiB", what);
}

/* ---- the plan --------------------------------------------------------------------------------*/

static int disk_check(const struct plan_request *q, const struct disk *d, struct err *e)
{
	if (d->sector_bytes < 512 || d->sector_bytes > 4096 ||
	    (d->sector_bytes & (d->sector_bytes - 1)))
		return err_set(e, ENOTSUP,
		    "disk %s has sectors of %u bytes, which no firmware boots from", d->path,
		    d->sector_bytes);
	if (q->firmware == VM_FIRMWARE_BIOS && d->sector_bytes != 512)
		return err_set(e, ENOTSUP,
		    "disk %s has sectors of %u bytes, which a BIOS does not boot from: use UEFI or a disk with sectors of 512 bytes",
		    d->path, d->sector_bytes);
	return 0;
}

static void boot_add(struct plan *p, enum vm_firmware firmware)
{
	struct plan_partition *part;

	if (firmware == VM_FIRMWARE_BIOS) {
		part = partition_add(p, PLAN_BIOS_BOOT, STORAGE_FS_VFAT, BIOS_BOOT_BYTES);
		strcpy(part->label, "bios-boot");
	} else {
		part = partition_add(p, PLAN_ESP, STORAGE_FS_VFAT, ESP_BYTES);
		strcpy(part->label, "ESP");
		strcpy(part->mount, "/boot/efi");
	}
}

int plan_make(const struct plan_request *q, const struct disk *disks, size_t count,
    struct plan *out, struct err *e)
{
	uint64_t size[STORAGE_PARTITIONS_MAX] = {0};

	memset(out, 0, sizeof(*out));
	int chosen = disk_choose(q->match, q->first_disk_bytes, disks, count, e);
	if (chosen < 0)
		return chosen;
	const struct disk *d = &disks[chosen];
	int r = disk_check(q, d, e);
	if (r < 0)
		return r;
	if (!sizes_of(q, d->size_bytes, size) || starved(q, size) >= 0)
		return refuse_size(q, d, size, e);

	out->disk = *d;
	out->root_needed_bytes = root_needed(q);
	boot_add(out, q->firmware);
	for (unsigned i = 0; i < q->storage->count; i++) {
		const struct storage_partition *s = &q->storage->part[i];
		enum plan_role role = s->fs == STORAGE_FS_SWAP     ? PLAN_SWAP
				      : strcmp(s->mount, "/") == 0 ? PLAN_ROOT
								   : PLAN_DATA;
		struct plan_partition *part = partition_add(out, role, s->fs, size[i]);
		memcpy(part->label, s->label, sizeof(part->label));
		memcpy(part->mount, s->mount, sizeof(part->mount));
		if (s == image_partition(q->storage))
			part->entries = q->entries;
	}
	return 0;
}

int plan_whole_disk(const struct plan_request *q, const struct disk *disks, size_t count,
    struct plan *out, struct err *e)
{
	char have[SIZE_TEXT_SIZE], need[SIZE_TEXT_SIZE];

	memset(out, 0, sizeof(*out));
	int chosen = disk_choose(q->match, q->first_disk_bytes, disks, count, e);
	if (chosen < 0)
		return chosen;
	const struct disk *d = &disks[chosen];
	if (d->size_bytes < q->unpacked_bytes)
		return err_set(e, ENOSPC,
		    "disk %s has %s, too small: the image is that of a disk of %s", d->path,
		    size_text(d->size_bytes, have), size_text(q->unpacked_bytes, need));
	out->disk = *d;
	return 0;
}

/* ---- UUIDs -----------------------------------------------------------------------------------*/

/* Random bytes. */
static void uuid_text(uint8_t b[16], char *out)
{
	uuid_mark(b, 4);
	uuid_format(b, out);
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
		if (file_systems[p->part[i].fs].short_serial)
			snprintf(p->part[i].fs_uuid, sizeof(p->part[i].fs_uuid),
			    "%02X%02X-%02X%02X", b[16], b[17], b[18], b[19]);
		else
			uuid_text(b + 16, p->part[i].fs_uuid);
	}
	return 0;
}

/* ---- reading it ------------------------------------------------------------------------------*/

const struct plan_partition *plan_partition(const struct plan *p, enum plan_role role)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->part[i].role == role)
			return &p->part[i];
	return NULL;
}

const struct plan_partition *plan_boot(const struct plan *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (strcmp(p->part[i].mount, "/boot") == 0)
			return &p->part[i];
	return plan_partition(p, PLAN_ROOT);
}

/* "/" comes first; a parent's path is shorter than what lies below it. */
int plan_each_mount(
    const struct plan *p, int (*each)(void *ctx, const struct plan_partition *part), void *ctx)
{
	for (size_t len = 1; len < STORAGE_MOUNT_SIZE; len++)
		for (unsigned i = 0; i < p->count; i++) {
			const struct plan_partition *part = &p->part[i];
			if ((part->role != PLAN_ROOT && part->role != PLAN_DATA) ||
			    strlen(part->mount) != len)
				continue;
			int r = each(ctx, part);
			if (r != 0)
				return r;
		}
	return 0;
}

const char *plan_role_name(enum plan_role role)
{
	static const char *const names[] = {
	    [PLAN_ESP] = "esp",
	    [PLAN_BIOS_BOOT] = "bios-boot",
	    [PLAN_ROOT] = "root",
	    [PLAN_DATA] = "data",
	    [PLAN_SWAP] = "swap",
	};

	return names[role];
}

const char *plan_fs_name(const struct plan_partition *part)
{
	return part->role == PLAN_BIOS_BOOT ? "-" : file_systems[part->fs].name;
}

void plan_print(FILE *f, const struct plan *p)
{
	char size[SIZE_TEXT_SIZE], need[SIZE_TEXT_SIZE];
	unsigned digits = p->count > 9 ? 2 : 1;

	fprintf(f, "disk %s, %s%s%s, GPT\n", p->disk.path, size_text(p->disk.size_bytes, size),
	    p->disk.model[0] ? ", " : "", p->disk.model);
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		fprintf(f, "  %*u  %-11s %-5s %10s  sectors %llu to %llu\n", (int)digits, i + 1,
		    part->mount[0] ? part->mount : plan_role_name(part->role), plan_fs_name(part),
		    size_text(part->sectors * p->disk.sector_bytes, size),
		    (unsigned long long)part->start_lba,
		    (unsigned long long)(part->start_lba + part->sectors - 1));
	}
	if (p->root_needed_bytes)
		fprintf(f, "the system needs %s of it\n", size_text(p->root_needed_bytes, need));
}

json_t *plan_json(const struct plan *p)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		json_array_append_new(list,
		    json_pack("{s:i, s:s, s:s*, s:s*, s:s, s:I, s:I}", "number", (int)i + 1, "role",
			plan_role_name(part->role), "mount", part->mount[0] ? part->mount : NULL,
			"fs", part->role == PLAN_BIOS_BOOT ? NULL : file_systems[part->fs].name,
			"label", part->label, "start_bytes",
			(json_int_t)(part->start_lba * p->disk.sector_bytes), "size_bytes",
			(json_int_t)(part->sectors * p->disk.sector_bytes)));
	}
	return json_pack("{s:s, s:I, s:s, s:I, s:o}", "disk", p->disk.path, "disk_bytes",
	    (json_int_t)p->disk.size_bytes, "table", "gpt", "needed_bytes",
	    (json_int_t)p->root_needed_bytes, "partitions", list);
}
