/* image_table.h - the partition table of a disk image, read and made to fit a larger disk: GPT
 * (UEFI 2.10, 5.3) and MBR. Pure: works on the image's first and the disk's last bytes in memory.
 *
 * A table counts in sectors of the disk that it was made for, of 512 or 4096 bytes, and is not
 * translated: the file systems in it know of them, too.
 */
#ifndef OS_INSTALLER_DISK_IMAGE_TABLE_H
#define OS_INSTALLER_DISK_IMAGE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#define TABLE_EDGE_BYTES (1U << 20) /* the head and the tail of a disk that this works on */
#define TABLE_SECTOR_BYTES 512U     /* where nothing says another */
#define TABLE_SECTOR_BYTES_MAX 4096U
#define TABLE_PARTITIONS_MAX 128

struct table_partition {
	unsigned number; /* as the kernel counts, from 1 */
	uint64_t start_lba;
	uint64_t sectors;
	bool esp;
	char uuid[UUID_TEXT_SIZE]; /* GPT: of the partition, lower case; "" otherwise */
};

struct table {
	bool gpt;
	uint32_t sector_bytes;
	unsigned count;
	struct table_partition part[TABLE_PARTITIONS_MAX]; /* in the order of the table */
	unsigned last;                                     /* index of the one that ends last */
	bool can_grow;         /* false: the last one is an extended partition */
	uint64_t old_tail_lba; /* GPT: where the image's own backup begins, 0: unknown */
	uint64_t old_tail_sectors;
};

/* For which sectors the table in `head` (TABLE_EDGE_BYTES) was made, as the place of a GPT's header
 * tells; 0: an MBR does not tell, nor does what is no table. */
uint32_t table_sector_bytes(const uint8_t *head);

/* Reads the table, for sectors of sector_bytes, of an image of image_bytes that starts with `head`
 * (TABLE_EDGE_BYTES). -EINVAL when there is none, or one that contradicts itself. */
must_check int table_read(const uint8_t *head, uint64_t image_bytes, uint32_t sector_bytes,
    struct table *out, struct err *e);

/* -ENOTSUP with one sentence where image_sector_bytes are not the disk's. */
must_check int table_fits(
    uint32_t image_sector_bytes, const char *disk, uint32_t disk_sector_bytes, struct err *e);

/* Makes the last partition reach the end of a disk of disk_bytes, in `head` and `t`, and writes a
 * GPT's backup into `tail`, the disk's last TABLE_EDGE_BYTES. A disk no larger than the image
 * leaves the partition as it is. */
must_check int table_grow(
    uint8_t *head, uint8_t *tail, uint64_t disk_bytes, struct table *t, struct err *e);

/* The same but for the partitions, which stay as they are. */
must_check int table_settle(
    uint8_t *head, uint8_t *tail, uint64_t disk_bytes, const struct table *t, struct err *e);

#endif
