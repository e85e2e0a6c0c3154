#include "os_installer/unpack/acl.h"

#include <archive.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The value of "system.posix_acl_access" and "…_default" (linux/posix_acl_xattr.h), little endian.
 */
struct stored_head {
	uint32_t version;
};
struct stored_entry {
	uint16_t tag, permissions;
	uint32_t id;
};

#define STORED_VERSION 2

static const struct {
	uint16_t stored;
	int tag;
	bool has_id;
} tags[] = {
    {0x01, ARCHIVE_ENTRY_ACL_USER_OBJ, false},
    {0x02, ARCHIVE_ENTRY_ACL_USER, true},
    {0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ, false},
    {0x08, ARCHIVE_ENTRY_ACL_GROUP, true},
    {0x10, ARCHIVE_ENTRY_ACL_MASK, false},
    {0x20, ARCHIVE_ENTRY_ACL_OTHER, false},
};

struct list {
	const uint8_t *at;
	size_t count;
};

static bool entry_read(const struct list *l, size_t i, int *tag, int *permissions, int *id)
{
	struct stored_entry s;

	memcpy(&s, l->at + i * sizeof(s), sizeof(s));
	*permissions = le16toh(s.permissions);
	for (size_t t = 0; t < sizeof(tags) / sizeof(*tags); t++)
		if (tags[t].stored == le16toh(s.tag)) {
			*tag = tags[t].tag;
			*id = tags[t].has_id ? (int)le32toh(s.id) : -1;
			return *permissions <= 7;
		}
	return false;
}

static bool list_open(const void *value, size_t size, struct list *out)
{
	struct stored_head head;
	int tag, permissions, id;

	if (size <= sizeof(head) || (size - sizeof(head)) % sizeof(struct stored_entry) != 0)
		return false;
	memcpy(&head, value, sizeof(head));
	out->at = (const uint8_t *)value + sizeof(head);
	out->count = (size - sizeof(head)) / sizeof(struct stored_entry);
	for (size_t i = 0; i < out->count; i++)
		if (!entry_read(out, i, &tag, &permissions, &id))
			return false;
	return le32toh(head.version) == STORED_VERSION;
}

void unpack_acl_adopt(struct archive_entry *entry)
{
	struct list access = {0}, defaults = {0};
	const char *name;
	const void *value;
	size_t size;

	if (archive_entry_xattr_reset(entry) == 0)
		return;
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		bool good = true;
		if (!name)
			continue;
		if (strcmp(name, "system.posix_acl_access") == 0)
			good = list_open(value, size, &access);
		else if (strcmp(name, "system.posix_acl_default") == 0)
			good = list_open(value, size, &defaults);
		if (!good)
			return;
	}
	if (!access.count && !defaults.count)
		return;
	mode_t mode = archive_entry_mode(entry);
	archive_entry_acl_clear(entry);
	const struct list *const lists[] = {&access, &defaults};
	static const int types[] = {ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT};
	for (size_t n = 0; n < 2; n++)
		for (size_t i = 0; i < lists[n]->count; i++) {
			int tag = 0, permissions = 0, id = -1;
			if (entry_read(lists[n], i, &tag, &permissions, &id))
				archive_entry_acl_add_entry(
				    entry, types[n], permissions, tag, id, NULL);
		}
	if (!access.count)
		archive_entry_set_mode(entry, mode);
}
