/* storage.h - "storage" of a definition: which partitions a disk gets besides the one its firmware
 * boots from. Reads and validates; plan.h lays them out. Pure.
 */
#ifndef LIB_DEFINITION_STORAGE_H
#define LIB_DEFINITION_STORAGE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/json/read.h"
#include "lib/machine/file_system.h"

#define STORAGE_PARTITIONS_MAX 12
#define STORAGE_MOUNT_SIZE 101
#define STORAGE_LABEL_SIZE 17 /* what ext4 and swap hold; others hold less */

enum storage_unit { STORAGE_BYTES, STORAGE_PERCENT, STORAGE_REST };

struct storage_partition {
	char mount[STORAGE_MOUNT_SIZE]; /* "" for swap */
	char label[STORAGE_LABEL_SIZE];
	enum storage_fs fs;
	enum storage_unit unit;
	uint64_t amount; /* bytes, or percent of the whole disk; 0 with STORAGE_REST */
};

/* In their order on the disk. Exactly one has the mount point "/"; at most one takes the rest, and
 * it is the last. */
struct storage {
	unsigned count;
	struct storage_partition part[STORAGE_PARTITIONS_MAX];
};

/* What holds without "storage": "/", ext4, the rest. */
void storage_default(struct storage *out);

/* Reads the value of "storage"; all that is wrong is told. */
int storage_read(struct json_reader *r, const json_t *value, struct storage *out);

/* The same for those who want the first refusal: `bad` is the way from `value` to what is wrong
 * (its keys are static) and e has a sentence that can follow its name. Unknown keys are ignored. */
must_check int storage_parse(
    const json_t *value, struct storage *out, struct json_path *bad, struct err *e);

const struct storage_partition *storage_root(const struct storage *s);

#endif
