#include "os_installer/agent/named_disk.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/disk/scan.h"

#define LIST_SIZE 600

static const char *string(const json_t *wanted, const char *name)
{
	const char *text = json_string_value(json_object_get(wanted, name));

	return text ? text : "";
}

static const char *list_disks(const struct disk *disks, size_t count, char buf[LIST_SIZE])
{
	char one[300];
	size_t used = 0;

	snprintf(buf, LIST_SIZE, "no disk at all");
	for (size_t i = 0; i < count && used < LIST_SIZE; i++)
		used += (size_t)snprintf(buf + used, LIST_SIZE - used, "%s%s", i ? ", " : "",
		    disk_describe(&disks[i], one, sizeof(one)));
	return buf;
}

/* By its number, wherever it is plugged in now; among several of one number by its name, too. */
static const struct disk *find(
    const char *name, const char *serial, const struct disk *disks, size_t count)
{
	const struct disk *found = NULL;
	unsigned same = 0;

	for (size_t i = 0; i < count; i++) {
		bool named = strcmp(disks[i].name, name) == 0;
		if (!serial[0] && named)
			return &disks[i];
		if (!serial[0] || strcmp(disks[i].serial, serial) != 0)
			continue;
		if (named)
			return &disks[i];
		found = &disks[i];
		same++;
	}
	return same == 1 ? found : NULL;
}

int order_disk_choose(
    const json_t *wanted, const struct disk *disks, size_t count, struct disk *out, struct err *e)
{
	const char *name = string(wanted, "name"), *serial = string(wanted, "serial");
	uint64_t size = (uint64_t)json_integer_value(json_object_get(wanted, "size_bytes"));
	const struct disk *d = find(name, serial, disks, count);
	char list[LIST_SIZE];

	if (!name[0] || size == 0)
		return err_set(e, EINVAL, "the order does not say which disk it is for");
	if (!d)
		return err_set(e, ENODEV,
		    "the order is for disk %s%s%s of %llu bytes, and this machine has %s: nothing was done; take the inventory again",
		    name, serial[0] ? " with serial number " : "", serial, (unsigned long long)size,
		    list_disks(disks, count, list));
	if (!serial[0] && d->serial[0])
		return err_set(e, ESTALE,
		    "the order is for a disk %s without a serial number, and it has %s: another disk is there now; nothing was done",
		    name, d->serial);
	if (d->size_bytes != size)
		return err_set(e, ESTALE,
		    "the order is for disk %s of %llu bytes, and it has %llu: another disk is there now; nothing was done",
		    name, (unsigned long long)size, (unsigned long long)d->size_bytes);
	*out = *d;
	return 0;
}

int order_disk(struct order_run *o, bool writes, struct disk *out, struct err *e)
{
	const json_t *wanted = json_object_get(o->args, "disk");
	_cleanup_free_ struct disk *disks = calloc(DISKS_MAX + 1, sizeof(*disks));
	const char *name = string(wanted, "name");

	if (!disks)
		return err_set(e, ENOMEM, "out of memory");
	int n = disk_list(NULL, 0, disks, DISKS_MAX, e);
	if (n < 0)
		return n;
	/* One that is no machine's disk by its kind, but has that very name. */
	bool known = false;
	for (int i = 0; i < n; i++)
		known |= strcmp(disks[i].name, name) == 0;
	if (!known && name[0] && disk_list(name, 0, &disks[n], 1, NULL) == 1)
		n++;
	int r = order_disk_choose(wanted, disks, (size_t)n, out, e);
	if (r < 0)
		order_hint(o,
		    "give the order anew, for a disk that is there; begun again, it is for the same one as before");
	if (r < 0 || !writes)
		return r;
	/* Whoever orders it by name means a removable one, too. */
	if (out->excluded[0] && strcmp(out->excluded, "removable") != 0)
		return err_set(
		    e, EBUSY, "disk %s is %s: nothing was done", out->path, out->excluded);
	return 0;
}

int order_system(struct order_run *o, const char *directory, struct installed *out, struct err *e)
{
	bool named = json_object_get(o->args, "disk") != NULL;
	struct disk disk;
	int r = named ? order_disk(o, true, &disk, e) : 0;

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, "no mounts of its own can be had");
	if ((r = installed_find(named ? &disk : NULL, o->server->as.mac, out, e)) < 0)
		return r;
	log_info("the system on %s disk=%s", out->device, out->disk.name);
	return installed_mount(out, directory, e);
}
