/* lists.c - readers of a definition's structured values: disks, keys, storage, hooks.
 *
 * They check what would otherwise fail late, inside a half-installed machine; what they accept is
 * kept as it is in vm.more.
 */
#include "lib/definition/field.h"

#include <errno.h>
#include <string.h>

#include "lib/definition/disk_choice.h"
#include "lib/net/ssh_key.h"
#include "lib/definition/storage.h"

#define DISK_MIN_BYTES (UINT64_C(64) << 20)
#define DISK_MAX_BYTES (UINT64_C(64) << 40)

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- disks ------------------------------------------------------------------------------------*/

static int read_disk_size(struct json_reader *r, json_t *value)
{
	uint64_t bytes;

	if (vm_want_size(r, value, 0, DISK_MIN_BYTES, DISK_MAX_BYTES, &bytes) < 0)
		return -EINVAL;
	vm_draft(r)->disk_bytes[vm_draft(r)->disk_count] = bytes;
	return 0;
}

static int read_disk_match(struct json_reader *r, json_t *value)
{
	struct disk_match match = {.path = ""};

	if (disk_match_read(r, value, &match) < 0)
		return -EINVAL;
	if (vm_draft(r)->disk_count > 0)
		json_warn(r, "is ignored: the first disk is the one that is installed on");
	return 0;
}

static int read_disk(struct json_reader *r, json_t *value)
{
	static const char *const known[] = {"size", "match"};

	if (vm_draft(r)->disk_count == VM_DISKS_MAX)
		return json_refuse(
		    r, "is one disk too many: at most %d are possible", VM_DISKS_MAX);
	if (json_want_object(r, value, "{\"size\": \"10G\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	json_member(r, value, "size", read_disk_size);
	json_member(r, value, "match", read_disk_match);
	vm_draft(r)->disk_count++;
	return 0;
}

int vm_read_disks(struct json_reader *r, json_t *value)
{
	vm_draft(r)->disk_count = 0;
	return json_each(r, value, read_disk);
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

int vm_read_ssh_key(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_absent(value))
		return 0;
	if (json_is_string(value) && strstr(json_string_value(value), "PRIVATE KEY"))
		return json_refuse(r,
		    "is a private key: write the line of the .pub file, and make a new key pair");
	trim_end(value);
	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (!ssh_key_valid(s))
		return json_refuse(r,
		    "is not a public SSH key: write the one line of an id_*.pub file, such as \"ssh-ed25519 AAAA... name\"");
	return 0;
}

int vm_read_ssh_keys(struct json_reader *r, json_t *value)
{
	return json_each(r, value, vm_read_ssh_key);
}

/* ---- storage ----------------------------------------------------------------------------------*/

int vm_read_storage(struct json_reader *r, json_t *value)
{
	struct storage storage;

	return storage_read(r, value, &storage);
}

/* ---- hooks ------------------------------------------------------------------------------------*/

static int read_scripts(struct json_reader *r, json_t *value)
{
	json_t *script;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > VM_HOOKS_MAX)
		return json_refuse(r,
		    "must be a list of at most %d scripts, each a text such as \"#!/bin/sh\\necho hello\\n\"",
		    VM_HOOKS_MAX);
	json_array_foreach(value, i, script) {
		json_enter_at(r, i);
		if (!json_is_string(script) || json_string_length(script) == 0)
			(void)json_refuse(r, "must be a script: a text that is not empty");
		json_leave(r);
	}
	return 0;
}

int vm_read_hooks(struct json_reader *r, json_t *value)
{
	static const char *const known[] = {"post_install"};

	if (json_want_object(r, value, "{\"post_install\": [\"...\"]}", known, COUNT(known)) < 0)
		return -EINVAL;
	json_member(r, value, "post_install", read_scripts);
	return 0;
}
