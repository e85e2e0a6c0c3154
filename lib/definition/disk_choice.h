/* disk_choice.h - which of a machine's disks an install takes: a definition's disks[0].match, and
 * the rule that holds without one. Pure: descriptions of disks in, an index or a refusal out.
 *
 * With a match every key that is given must hold; "pick" then takes the largest or the smallest of
 * what is left. Anything but exactly one disk is refused, with every disk and what speaks against
 * it. Without a match, first rule that fits:
 *   1. the only candidate;
 *   2. the only one with exactly the size of the definition's first disk;
 *   3. of several with that size the first by name, which is the order they were attached in;
 *   4. the largest; of equals the first by name.
 */
#ifndef LIB_DEFINITION_DISK_CHOICE_H
#define LIB_DEFINITION_DISK_CHOICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/read.h"

#define DISK_NAME_SIZE 64
#define DISK_PATH_SIZE 128
#define DISK_TEXT_SIZE 96
#define DISKS_MAX 64

/* A disk of the machine. Texts are "" where the disk does not tell. */
struct disk {
	char name[DISK_NAME_SIZE]; /* in /sys/block */
	char path[DISK_PATH_SIZE];
	char by_path[DISK_TEXT_SIZE]; /* where it is plugged in: "pci-0000:00:05.0-nvme-1" */
	char model[DISK_TEXT_SIZE];
	char serial[DISK_TEXT_SIZE];
	char wwn[DISK_TEXT_SIZE];
	char transport[16];
	char excluded[32]; /* why it is left alone whatever is asked for; "": it is not */
	uint64_t size_bytes;
	uint32_t sector_bytes; /* logical */
};

enum disk_pick { DISK_PICK_NONE, DISK_PICK_LARGEST, DISK_PICK_SMALLEST };

/* Texts are "", sizes 0 where the definition says nothing. */
struct disk_match {
	char path[DISK_PATH_SIZE]; /* "/dev/vda", or by_path with or without "/dev/disk/by-path/" */
	char serial[DISK_TEXT_SIZE];
	char wwn[DISK_TEXT_SIZE];
	char model[DISK_TEXT_SIZE]; /* as fnmatch(3) has it, in upper or lower case */
	char transport[16];
	uint64_t min_bytes, max_bytes; /* both included */
	enum disk_pick pick;
};

/* Reads disks[0].match; all that is wrong is told. */
int disk_match_read(struct json_reader *r, const json_t *value, struct disk_match *out);

/* The same for those who want the first refusal: `bad` is the way from `value` to what is wrong and
 * e has a sentence that can follow its name. Unknown keys are ignored. */
must_check int disk_match_parse(
    const json_t *value, struct disk_match *out, struct json_path *bad, struct err *e);

/* The number itself, borrowed from `wwn`: sysfs, udev and labels have other prefixes. */
const char *disk_wwn_digits(const char *wwn);

/* Chooses. `match` may be NULL, first_disk_bytes 0 (unknown). Returns the index, -ENODEV when there
 * is no disk, or none that matches, -ENOTUNIQ when several do. */
must_check int disk_choose(const struct disk_match *match, uint64_t first_disk_bytes,
    const struct disk *disks, size_t count, struct err *e);

/* One line about a disk: "/dev/vda 8.0 GiB virtio serial=…". Returns buf. */
const char *disk_describe(const struct disk *d, char *buf, size_t size);

#endif
