#include "boot_handler/documents/order_disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/definition/disk_choice.h"

#define DEV "/dev/"

static void take(const json_t *told, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(told, key));

	snprintf(out, size, "%s", text ? text : "");
}

static size_t take_disks(const json_t *inventory, struct disk *disks)
{
	const json_t *one;
	size_t i, count = 0;

	json_array_foreach(json_object_get(inventory, "disks"), i, one) {
		struct disk *d = &disks[count];
		json_int_t size = json_integer_value(json_object_get(one, "size_bytes"));

		*d = (struct disk){.size_bytes = size > 0 ? (uint64_t)size : 0};
		take(one, "name", d->name, sizeof(d->name));
		snprintf(d->path, sizeof(d->path), DEV "%s", d->name);
		take(one, "model", d->model, sizeof(d->model));
		take(one, "serial", d->serial, sizeof(d->serial));
		take(one, "wwn", d->wwn, sizeof(d->wwn));
		take(one, "transport", d->transport, sizeof(d->transport));
		if (json_is_true(json_object_get(one, "removable")))
			snprintf(d->excluded, sizeof(d->excluded), "removable");
		if (d->name[0] && ++count == DISKS_MAX)
			break;
	}
	return count;
}

/* A name goes before a number that is the same. -1: none; -2: several. */
static int find_called(const struct disk *disks, size_t count, const char *called)
{
	const char *name = strncmp(called, DEV, strlen(DEV)) == 0 ? called + strlen(DEV) : called;
	int found = -1;

	for (size_t i = 0; i < count; i++)
		if (strcmp(disks[i].name, name) == 0)
			return (int)i;
	for (size_t i = 0; i < count; i++)
		if (disks[i].serial[0] && strcasecmp(disks[i].serial, called) == 0)
			found = found == -1 ? (int)i : -2;
	return found;
}

static int find(const struct disk *disks, size_t count, const json_t *wanted)
{
	struct disk_match match;
	struct json_path bad;

	if (json_is_string(wanted))
		return find_called(disks, count, json_string_value(wanted));
	if (disk_match_parse(wanted, &match, &bad, NULL) < 0)
		return -1;
	int r = disk_choose(&match, 0, disks, count, NULL);
	return r == -ENOTUNIQ ? -2 : r < 0 ? -1 : r;
}

/* As many as find room in a sentence. */
static void list(const struct disk *disks, size_t count, char *out, size_t size)
{
	char about[420];
	size_t at = 0, i = 0;

	snprintf(out, size, "it has none");
	for (; i < count; i++) {
		disk_describe(&disks[i], about, sizeof(about));
		if (at + strlen(about) + 40 > size)
			break;
		at +=
		    (size_t)snprintf(out + at, size - at, "%s%s", at ? "; " : "there are ", about);
	}
	if (at && i < count)
		snprintf(out + at, size - at, "; and %zu more", count - i);
}

static int refuse(const char *machine, const json_t *wanted, bool several, const struct disk *disks,
    size_t count, struct err *e)
{
	const char *called = json_string_value(wanted);
	char there[700], what[140];

	list(disks, count, there, sizeof(there));
	snprintf(
	    what, sizeof(what), called ? "\"%.100s\"" : "what is said of it", called ? called : "");
	return err_set(e, EBUSY,
	    several ? "several disks of %s are %s, say more: %s"
		    : "no disk of %s is %s, as its last inventory tells: %s",
	    machine, what, there);
}

int order_disk_find(
    const char *machine, const char *inventory, const json_t *wanted, json_t **out, struct err *e)
{
	static _Thread_local struct disk disks[DISKS_MAX];
	json_t *told = json_loads(inventory, 0, NULL);
	size_t count = take_disks(told, disks);

	json_decref(told);
	int i = find(disks, count, wanted);
	if (i < 0)
		return refuse(machine, wanted, i == -2, disks, count, e);
	if (disks[i].size_bytes == 0)
		return err_set(e, EBUSY,
		    "the disk %s of %s tells no size: there is no medium in it", disks[i].name,
		    machine);
	*out = json_pack("{s:s, s:o, s:I}", "name", disks[i].name, "serial",
	    disks[i].serial[0] ? json_string(disks[i].serial) : json_null(), "size_bytes",
	    (json_int_t)disks[i].size_bytes);
	return 0;
}
