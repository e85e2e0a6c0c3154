/* plan.h - decides which disk an install takes and how it is divided. Pure: configuration and the
 * list of disks in, layout out. disk.c carries it out.
 *
 * Layout: GPT (UEFI 2.10, 5.3); partition 1 the EFI system partition, 512 MiB, FAT32; partition 2
 * the root file system, ext4, the rest. Everything is aligned to 1 MiB.
 *
 * Choice of the disk, first rule that fits:
 *   1. the only candidate;
 *   2. the only one with exactly the size of the definition's first disk;
 *   3. of several with that size the first by name, which is the order they were attached in;
 *   4. the largest; of equals the first by name.
 */
#ifndef OS_INSTALLER_PLAN_H
#define OS_INSTALLER_PLAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "err.h"

#define DISK_NAME_SIZE 64
#define DISK_PATH_SIZE 128
#define DISKS_MAX 64
#define UUID_TEXT_SIZE 37

/* A disk that may be installed on. */
struct disk {
	char name[DISK_NAME_SIZE]; /* in /sys/block */
	char path[DISK_PATH_SIZE];
	char model[64];
	char serial[64];
	uint64_t size_bytes;
	uint32_t sector_bytes; /* logical */
};

enum plan_role { PLAN_ESP, PLAN_ROOT };
enum plan_fs { PLAN_FS_FAT32, PLAN_FS_EXT4 };

struct plan_partition {
	enum plan_role role;
	enum plan_fs fs;
	const char *label;  /* of partition and file system; static */
	const char *mount;  /* where it belongs in the installed system; static */
	uint64_t start_lba; /* in sectors of the disk */
	uint64_t sectors;
	char path[DISK_PATH_SIZE];
	char part_uuid[UUID_TEXT_SIZE];
	char fs_uuid[UUID_TEXT_SIZE]; /* FAT: "1234-ABCD" */
};

#define PLAN_PARTITIONS_MAX 8

struct plan {
	struct disk disk;
	uint64_t root_needed_bytes;
	unsigned count;
	struct plan_partition part[PLAN_PARTITIONS_MAX];
};

/* Fills everything but the UUIDs. Refuses with a sentence when there is no disk or it is too
 * small for what the image unpacks to; nothing has been written then. */
must_check int plan_make(const struct config *c, const struct disk *disks, size_t count,
    struct plan *out, struct err *e);

/* Gives partitions and file systems their UUIDs. `random` fills a buffer or returns -errno. */
must_check int plan_assign_uuids(
    struct plan *p, int (*random)(void *buf, size_t len, struct err *e), struct err *e);

/* The partition of that role. Every plan has both, but for that of a disk image (no partitions). */
const struct plan_partition *plan_partition(const struct plan *p, enum plan_role role);

/* For a person to read. */
void plan_print(FILE *f, const struct plan *p);

/* Writes "1.5 GiB" and the like into buf and returns it. */
const char *plan_size_text(uint64_t bytes, char *buf, size_t size);

#endif
