/* disk_look.h - what a whole disk image seems to hold, seen while it streams by: partitions, file
 * systems by their magic, and whether a firmware finds something to start. Pure. It looks at no
 * file in a file system: an empty FAT partition counts as one that UEFI may start.
 */
#ifndef VMLAB_IMAGE_DISK_LOOK_H
#define VMLAB_IMAGE_DISK_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_LOOK_HEAD_BYTES (6 * 4096) /* GPT: protective MBR, header, 128 entries */
#define DISK_LOOK_PARTITIONS 128
#define DISK_LOOK_MAGICS 32

struct disk_look {
	uint64_t seen_bytes;
	unsigned count;
	bool boot_code;        /* a BIOS runs it */
	bool unclear;          /* it is divided in a way that is not followed */
	uint32_t sector_bytes; /* by which its table counts; 0: not seen yet */
	uint64_t start_bytes[DISK_LOOK_PARTITIONS];
	uint8_t matched[DISK_LOOK_PARTITIONS][DISK_LOOK_MAGICS]; /* bytes of a magic */
	uint8_t head[DISK_LOOK_HEAD_BYTES];
};

/* Takes the next bytes of the disk. Begins with all zero. */
void disk_look_feed(struct disk_look *l, const void *data, size_t len);

/* Whether a disk that begins so has a GPT, for sectors of which size; 0: none. */
uint32_t disk_look_gpt(const uint8_t *start, size_t len);

/* The partition's file system, or what else lies there; NULL: nothing that is known. */
const char *disk_look_fs(const struct disk_look *l, unsigned i);

/* A sentence about what lacks for an installed machine to start, or false. `bios`: the architecture
 * has machines with one. */
bool disk_look_complaint(const struct disk_look *l, bool bios, char *buf, size_t size);

#endif
