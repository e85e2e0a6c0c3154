/* plan.h - how a disk is divided. Pure: definition, image and disk in, layout out. The installer
 * carries it out (os_installer/disk.c), `vmlab plan` prints it.
 *
 * Layout: GPT (UEFI 2.10, 5.3). Partition 1 is what the firmware boots from: for UEFI the EFI
 * system partition, 512 MiB, FAT32; for BIOS 1 MiB without a file system, for GRUB's core image.
 * Then come the partitions of "storage" in their order. Everything is aligned to 1 MiB.
 */
#ifndef LIB_PLAN_PLAN_H
#define LIB_PLAN_PLAN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/bytes.h"
#include "lib/definition/disk_choice.h"
#include "lib/base/err.h"
#include "lib/definition/storage.h"
#include "lib/definition/vm.h"

enum plan_role { PLAN_ESP, PLAN_BIOS_BOOT, PLAN_ROOT, PLAN_DATA, PLAN_SWAP };

struct plan_partition {
	enum plan_role role;
	enum storage_fs fs;             /* PLAN_BIOS_BOOT has none */
	char label[STORAGE_LABEL_SIZE]; /* of partition and file system */
	char mount[STORAGE_MOUNT_SIZE]; /* in the installed system; "" for swap and BIOS boot */
	uint64_t start_lba;             /* in sectors of the disk */
	uint64_t sectors;
	uint64_t entries; /* of the image that it may have to take; 0: few or not known */
	char path[DISK_PATH_SIZE];
	char part_uuid[UUID_TEXT_SIZE];
	char fs_uuid[UUID_TEXT_SIZE]; /* FAT: "1234-ABCD" */
};

#define PLAN_PARTITIONS_MAX (STORAGE_PARTITIONS_MAX + 1)

struct plan {
	struct disk disk;
	uint64_t root_needed_bytes; /* 0: not known */
	unsigned count;
	struct plan_partition part[PLAN_PARTITIONS_MAX];
};

/* What is wanted. Borrowed. */
struct plan_request {
	enum vm_firmware firmware;
	const struct storage *storage;
	const struct disk_match *match; /* NULL: none */
	uint64_t first_disk_bytes;      /* the definition's size of its first disk; 0: unknown */
	uint64_t unpacked_bytes; /* what the image holds; 0: unknown, then any root is taken */
	uint64_t entries;
};

/* Chooses one of the disks (disk_choice.h) and fills everything but the UUIDs. Refuses with a
 * sentence when no disk is fit or the chosen one is too small; nothing has been written then. */
must_check int plan_make(const struct plan_request *q, const struct disk *disks, size_t count,
    struct plan *out, struct err *e);

/* For an image of a whole disk, which brings its partitions along: chooses the disk and checks that
 * it holds q->unpacked_bytes. "storage" has no effect; the plan has no partitions. */
must_check int plan_whole_disk(const struct plan_request *q, const struct disk *disks, size_t count,
    struct plan *out, struct err *e);

/* The smallest disk that plan_make() takes, to the MiB; 0 when even 64 TiB are too small. */
uint64_t plan_min_bytes(const struct plan_request *q);

/* Gives partitions and file systems their UUIDs. `random` fills a buffer or returns -errno. */
must_check int plan_assign_uuids(
    struct plan *p, int (*random)(void *buf, size_t len, struct err *e), struct err *e);

/* The first partition of that role, or NULL. Every plan has PLAN_ROOT and either PLAN_ESP or
 * PLAN_BIOS_BOOT. */
const struct plan_partition *plan_partition(const struct plan *p, enum plan_role role);

/* The partition that holds /boot: one of its own, or the root. */
const struct plan_partition *plan_boot(const struct plan *p);

/* Calls `each` for every partition with a place in the tree but the EFI system partition, a parent
 * before what lies below it. Ends early with the first non-zero answer. */
int plan_each_mount(
    const struct plan *p, int (*each)(void *ctx, const struct plan_partition *part), void *ctx);

const char *plan_role_name(enum plan_role role);
/* Of the file system; "-" for PLAN_BIOS_BOOT. */
const char *plan_fs_name(const struct plan_partition *part);

/* For a person to read, and for a program: a new reference. */
void plan_print(FILE *f, const struct plan *p);
json_t *plan_json(const struct plan *p);

#endif
