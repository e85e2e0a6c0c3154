/* Every disk, and what lies on it as libblkid sees it. Disks are opened for reading. */
#include "os_installer/inventory/parts.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/disk/scan.h"
#include "os_installer/inventory/below.h"

#define PARTITIONS_MAX 512 /* of all disks */
#define SECTOR_BYTES 512   /* libblkid counts in these, whatever the disk has */

static inline void probe_free(blkid_probe *pr)
{
	blkid_free_probe(*pr);
}

#define _cleanup_probe_ __attribute__((cleanup(probe_free)))

static json_t *value(blkid_probe pr, const char *name)
{
	char text[BELOW_TEXT_SIZE];
	const char *data = "";

	if (blkid_probe_lookup_value(pr, name, &data, NULL) < 0)
		data = "";
	snprintf(text, sizeof(text), "%s", data);
	below_clean(text);
	return below_json(text);
}

/* NULL: it cannot be read, or there is nothing. */
static blkid_probe probed(int fd, uint64_t offset, uint64_t size)
{
	blkid_probe pr = fd < 0 ? NULL : blkid_new_probe();

	if (!pr)
		return NULL;
	if (blkid_probe_set_device(pr, fd, (blkid_loff_t)offset, (blkid_loff_t)size) == 0) {
		blkid_probe_enable_superblocks(pr, 1);
		blkid_probe_set_superblocks_flags(
		    pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
		blkid_probe_enable_partitions(pr, 1);
		if (blkid_do_safeprobe(pr) == 0)
			return pr;
	}
	blkid_free_probe(pr);
	return NULL;
}

static void file_system_add(json_t *o, blkid_probe pr)
{
	json_object_set_new(o, "fs", pr ? value(pr, "TYPE") : json_null());
	json_object_set_new(o, "label", pr ? value(pr, "LABEL") : json_null());
	json_object_set_new(o, "uuid", pr ? value(pr, "UUID") : json_null());
}

static json_t *partition(int fd, blkid_partition p)
{
	uint64_t start = (uint64_t)blkid_partition_get_start(p) * SECTOR_BYTES;
	uint64_t size = (uint64_t)blkid_partition_get_size(p) * SECTOR_BYTES;
	_cleanup_probe_ blkid_probe pr = probed(fd, start, size);
	json_t *o = json_pack("{s:i, s:I, s:I}", "number", blkid_partition_get_partno(p),
	    "start_bytes", (json_int_t)start, "size_bytes", (json_int_t)size);

	if (o)
		file_system_add(o, pr);
	return o;
}

static json_t *partitions(int fd, blkid_probe pr, size_t *left)
{
	blkid_partlist list = pr ? blkid_probe_get_partitions(pr) : NULL;
	json_t *found = json_array();

	for (int i = 0; list && i < blkid_partlist_numof_partitions(list) && *left; i++) {
		blkid_partition p = blkid_partlist_get_partition(list, i);
		if (!p || blkid_partition_is_extended(p))
			continue;
		json_array_append_new(found, partition(fd, p));
		--*left;
	}
	return found;
}

static json_t *flag(const char *root, const char *disk, const char *file)
{
	long long number;

	if (!below_number(&number, 10, "%s/sys/block/%s/%s", root, disk, file))
		return json_null();
	return json_boolean(number != 0);
}

static json_t *text_of(const char *text)
{
	char clean[DISK_TEXT_SIZE];

	snprintf(clean, sizeof(clean), "%s", text);
	below_clean(clean);
	return below_json(clean);
}

static json_t *disk(const char *root, const struct disk *d, size_t *partitions_left)
{
	char path[PATH_MAX];
	json_t *o = json_object();

	snprintf(path, sizeof(path), "%s%s", root, d->path);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_probe_ blkid_probe pr = probed(fd, 0, 0);
	json_object_set_new(o, "name", text_of(d->name));
	json_object_set_new(o, "size_bytes", json_integer((json_int_t)d->size_bytes));
	json_object_set_new(o, "sector_bytes", json_integer((json_int_t)d->sector_bytes));
	json_object_set_new(o, "model", text_of(d->model));
	json_object_set_new(o, "serial", text_of(d->serial));
	json_object_set_new(o, "wwn", text_of(d->wwn));
	json_object_set_new(o, "transport", text_of(d->transport));
	json_object_set_new(o, "rotational", flag(root, d->name, "queue/rotational"));
	json_object_set_new(o, "removable", flag(root, d->name, "removable"));
	json_object_set_new(o, "table", pr ? value(pr, "PTTYPE") : json_null());
	file_system_add(o, pr);
	json_object_set_new(o, "partitions", partitions(fd, pr, partitions_left));
	return o;
}

json_t *inventory_disks(const char *root)
{
	_cleanup_free_ struct disk *all = calloc(DISKS_MAX, sizeof(*all));
	size_t count = all ? disk_list_all(root, all, DISKS_MAX) : 0;
	size_t partitions_left = PARTITIONS_MAX;
	json_t *disks = all ? json_array() : NULL;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(disks, disk(root, &all[i], &partitions_left));
	return disks;
}
