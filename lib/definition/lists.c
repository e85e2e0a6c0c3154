/* lists.c - readers of a definition's structured values: disks, keys, storage, hooks.
 *
 * They check what would otherwise fail late, inside a half-installed machine; what they accept is
 * kept as it is in vm.doc.
 */
#include "lib/definition/field.h"

#include <errno.h>
#include <string.h>

#include "lib/definition/disk_choice.h"
#include "lib/net/ssh_key.h"
#include "lib/definition/storage.h"

#define DISK_MIN_BYTES (UINT64_C(64) << 20)
#define DISK_MAX_BYTES (UINT64_C(64) << 40)
#define LIST_MAX 1024

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- walking ----------------------------------------------------------------------------------*/

void vm_member(
    struct vm_reader *r, json_t *object, const char *key, int (*read)(struct vm_reader *, json_t *))
{
	json_t *value = json_object_get(object, key);

	if (vm_value_empty(value))
		return;
	vm_path_key(r, key);
	(void)read(r, value);
	vm_path_leave(r);
}

int vm_each(struct vm_reader *r, json_t *list, int (*read)(struct vm_reader *, json_t *))
{
	json_t *value;
	size_t i;

	if (!json_is_array(list))
		return vm_refuse(r, "must be a list: put it in [] brackets");
	if (json_array_size(list) > LIST_MAX)
		return vm_refuse(r, "has more than %d entries", LIST_MAX);
	json_array_foreach(list, i, value) {
		vm_path_index(r, i);
		(void)read(r, value);
		vm_path_leave(r);
	}
	return 0;
}

int vm_want_object(
    struct vm_reader *r, json_t *value, const char *example, const char *const *known, size_t count)
{
	const char *key;
	json_t *ignored;

	if (!json_is_object(value))
		return vm_refuse(r, "must be an object such as %s", example);
	json_object_foreach(value, key, ignored) {
		size_t i = 0;
		while (i < count && strcmp(key, known[i]) != 0)
			i++;
		if (i == count)
			(void)vm_unknown_key(r, key, known, count);
	}
	return 0;
}

int vm_read_line(struct vm_reader *r, json_t *value)
{
	const char *s;

	return vm_want_string(r, value, &s);
}

int vm_read_text(struct vm_reader *r, json_t *value)
{
	if (!json_is_string(value))
		return vm_refuse(r, "must be a text in quotes");
	return 0;
}

int vm_read_flag(struct vm_reader *r, json_t *value)
{
	if (!json_is_boolean(value))
		return vm_refuse(r, "must be true or false, without quotes");
	return 0;
}

/* ---- disks ------------------------------------------------------------------------------------*/

static int read_disk_size(struct vm_reader *r, json_t *value)
{
	uint64_t bytes = 0;

	if (vm_want_size(r, value, &bytes) < 0)
		return -EINVAL;
	if (bytes < DISK_MIN_BYTES || bytes > DISK_MAX_BYTES)
		return vm_refuse(r,
		    "is out of range: write \"64M\" up to \"64T\", with the unit, such as \"10G\"");
	r->draft.disk_bytes[r->draft.disk_count] = bytes;
	return 0;
}

/* Refuses what a parser of its own (disk_choice.h, storage.h) found at `bad` below the value. */
static void refuse_below(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct vm_reader *r = ctx;

	for (unsigned i = 0; i < bad->depth; i++) {
		if (bad->step[i].key)
			vm_path_key(r, bad->step[i].key);
		else
			vm_path_index(r, bad->step[i].index);
	}
	*r->e = *why;
	(void)vm_refuse_err(r);
	for (unsigned i = 0; i < bad->depth; i++)
		vm_path_leave(r);
}

/* Tells unknown keys of an object; anything else is the parser's to refuse. */
static int known_keys(struct vm_reader *r, json_t *value, const char *const *known, size_t count)
{
	return json_is_object(value) ? vm_want_object(r, value, "{}", known, count) : 0;
}

static int read_disk_match(struct vm_reader *r, json_t *value)
{
	struct disk_match match = {.path = ""};

	if (known_keys(r, value, disk_match_keys, disk_match_key_count) < 0 ||
	    disk_match_parse_all(value, &match, &(struct json_refusals){refuse_below, r}) < 0)
		return -EINVAL;
	if (r->draft.disk_count > 0)
		vm_warn(r, "is ignored: the first disk is the one that is installed on");
	return 0;
}

static int read_disk(struct vm_reader *r, json_t *value)
{
	static const char *const known[] = {"size", "match"};

	if (r->draft.disk_count == VM_DISKS_MAX)
		return vm_refuse(r, "is one disk too many: at most %d are possible", VM_DISKS_MAX);
	if (vm_want_object(r, value, "{\"size\": \"10G\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	vm_member(r, value, "size", read_disk_size);
	vm_member(r, value, "match", read_disk_match);
	r->draft.disk_count++;
	return 0;
}

int vm_read_disks(struct vm_reader *r, json_t *value)
{
	r->draft.disk_count = 0;
	return vm_each(r, value, read_disk);
}

/* ---- SSH keys ---------------------------------------------------------------------------------*/

/* Programs that read an id_*.pub into a definition often keep the line break at its end. */
static void trim_end(json_t *value)
{
	const char *s = json_string_value(value);
	size_t len = s ? strlen(s) : 0, kept = len;

	while (kept > 0 && strchr(" \t\r\n", s[kept - 1]))
		kept--;
	if (kept > 0 && kept < len)
		(void)json_string_setn_nocheck(value, s, kept);
}

int vm_read_ssh_key(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_value_empty(value))
		return 0;
	if (json_is_string(value) && strstr(json_string_value(value), "PRIVATE KEY"))
		return vm_refuse(r,
		    "is a private key: write the line of the .pub file, and make a new key pair");
	trim_end(value);
	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!ssh_key_valid(s))
		return vm_refuse(r,
		    "is not a public SSH key: write the one line of an id_*.pub file, such as \"ssh-ed25519 AAAA... name\"");
	return 0;
}

int vm_read_ssh_keys(struct vm_reader *r, json_t *value)
{
	return vm_each(r, value, vm_read_ssh_key);
}

/* ---- storage ----------------------------------------------------------------------------------*/

static int storage_root_known(struct vm_reader *r, json_t *value)
{
	return known_keys(r, value, storage_root_keys, storage_root_key_count);
}

static int storage_partition_known(struct vm_reader *r, json_t *value)
{
	return known_keys(r, value, storage_partition_keys, storage_partition_key_count);
}

static int storage_partitions_known(struct vm_reader *r, json_t *value)
{
	return json_is_array(value) ? vm_each(r, value, storage_partition_known) : 0;
}

int vm_read_storage(struct vm_reader *r, json_t *value)
{
	struct storage storage;

	if (known_keys(r, value, storage_keys, storage_key_count) < 0)
		return -EINVAL;
	vm_member(r, value, "root", storage_root_known);
	vm_member(r, value, "partitions", storage_partitions_known);
	return storage_parse_all(value, &storage, &(struct json_refusals){refuse_below, r});
}

/* ---- hooks ------------------------------------------------------------------------------------*/

static int read_scripts(struct vm_reader *r, json_t *value)
{
	json_t *script;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > VM_HOOKS_MAX)
		return vm_refuse(r,
		    "must be a list of at most %d scripts, each a text such as \"#!/bin/sh\\necho hello\\n\"",
		    VM_HOOKS_MAX);
	json_array_foreach(value, i, script) {
		vm_path_index(r, i);
		if (!json_is_string(script) || json_string_length(script) == 0)
			(void)vm_refuse(r, "must be a script: a text that is not empty");
		vm_path_leave(r);
	}
	return 0;
}

int vm_read_hooks(struct vm_reader *r, json_t *value)
{
	static const char *const known[] = {"post_install"};
	const char *key;
	json_t *list;

	if (!json_is_object(value))
		return vm_refuse(r, "must be an object such as {\"post_install\": [\"...\"]}");
	json_object_foreach(value, key, list) {
		if (strcmp(key, known[0]) != 0) {
			(void)vm_unknown_key(r, key, known, COUNT(known));
			continue;
		}
		vm_path_key(r, key);
		if (!vm_value_empty(list))
			(void)read_scripts(r, list);
		vm_path_leave(r);
	}
	return 0;
}
